"""Functions of authors, in the sandbox."""

import asyncio
import threading
from datetime import timedelta

import pytest

from stepiq.execution.calls.run_code import _Printed
from stepiq.redaction.masking import Masker
from tests.sandbox.processes import below
from tests.sandbox.processes import ended as processes_ended
from tests.support import loop_time
from tests.support.engine import Ended, World

pytestmark = pytest.mark.one_store

PYTHON = """
name: Code
input: {schema: {n: {type: integer, default: 2}}}
steps:
  - id: c
    type: code
    language: python
    MORE
    source: |
      def main(input):
          print("n is", input["n"])
          return {"double": input["n"] * 2}
"""


class TestCode:
    async def test_it_gets_what_it_asks_for_and_gives_data(self, world: World):
        ended = await world.run(PYTHON.replace("MORE", "input: {n: input.n + 1}"), {"n": 2})

        assert ended.run.output == {"double": 6}

    async def test_what_it_prints_is_in_the_steps_log(self, world: World):
        ended = await world.run(PYTHON.replace("MORE", "input: {n: '3'}"))

        logged = [e.data for e in ended.events if e.type == "step.log"]
        assert [(e["step_id"], e["level"], e["message"]) for e in logged] == [
            ("c", "info", "n is 3")
        ]

    async def test_by_default_it_gets_input_variables_and_steps(self, world: World):
        ended = await world.run(
            """
            name: Code
            variables: {v: 5}
            steps:
              - {id: a, type: transform, template: x}
              - id: c
                type: code
                language: javascript
                source: "function main(input) { return [Object.keys(input).sort(), input.vars.v, input.steps.a.output] }"
            """
        )

        assert ended.run.output == [["input", "steps", "vars"], 5, "x"]

    async def test_an_error_names_its_line(self, world: World):
        ended = await world.run(
            "name: C\nsteps:\n  - id: c\n    type: code\n    language: python\n    source: |\n"
            "      def main(input):\n          x = 0\n          return 1 / x\n"
        )

        assert ended.run.error["code"] == "code_error"
        assert "Line 3 of the code: " in ended.run.error["message"]

    @pytest.mark.slow
    async def test_it_ends_at_its_time_limit(self, world: World):
        ended = await world.run(
            "name: C\nsteps:\n  - id: c\n    type: code\n    language: python\n    timeout_seconds: 1\n    source: |\n"
            "      def main(input):\n          while True:\n              pass\n"
        )

        assert ended.run.error["code"] in ("code_limit", "step_timeout")

    async def test_an_input_that_cannot_be_evaluated_is_named(self, world: World):
        ended = await world.run(PYTHON.replace("MORE", "input: {n: input.n / 0}"))

        assert ended.run.error["code"] == "expression_error"
        assert "Step `c`, `input.n`: " in ended.run.error["message"]

    @pytest.mark.parametrize("language", ["python", "javascript"])
    async def test_secrets_are_not_among_what_it_gets(self, world: World, language: str):
        await world.secret("TOKEN", "super-secret-value")
        source = (
            "def main(input): return input"
            if language == "python"
            else "function main(i) { return i }"
        )
        ended = await world.run(
            "name: C\nsteps:\n  - {id: a, type: transform, template: '{{env.TOKEN}}'}\n"
            f"  - {{id: c, type: code, language: {language}, source: '{source}'}}"
        )

        assert ended.run.output["steps"]["a"]["output"] == "[secret:TOKEN]"
        assert "env" not in ended.run.output


class TestManyLines:
    SOURCE = """
    name: Many lines
    output: {from: c}
    steps:
      - id: c
        type: code
        language: javascript
        source: |
          function main() {
            for (let n = 0; n < 2000; n++) console.log("key-" + String(n).padStart(5, "0"));
          }
      - {id: never, if: 'false', model: openai/gpt-4o-mini, prompt: '%s'}
    """

    async def test_thousands_of_short_lines_are_masked_beside_the_event_loop(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        names = [f"TOKEN_{number}" for number in range(30)]
        for number, name in enumerate(names):
            await world.secret(name, f"key-{number:05}")
        mentioned = " ".join(f"{{{{env.{name}}}}}" for name in names)
        source = self.SOURCE % mentioned
        threads: list[int] = []
        text = Masker.text

        def counted(masker: Masker, message: str) -> str:
            if message.startswith("key-"):
                threads.append(threading.get_ident())
            return text(masker, message)

        monkeypatch.setattr(Masker, "text", counted)

        ended = await world.run(source)

        lines = [e.data["message"] for e in ended.events if e.type == "step.log"]
        assert ended.run.status == "completed"
        assert lines[:2] == ["[secret:TOKEN_0]", "[secret:TOKEN_1]"]
        assert lines[30:] == [f"key-{n:05}" for n in range(30, len(lines))]
        assert len(threads) == 2000
        assert threads.count(threading.get_ident()) < 500


class TestLinesOfStoppedCode:
    LINES = ("short", "L" * 20_000, "last")
    """The second is masked beside the event loop, so it takes longer than the third."""
    SOURCE = """
    name: Stopped
    steps:
      - id: c
        type: code
        language: javascript
        source: |
          function main() {
            for (const line of %s) console.log(line);
            for (;;) {}
          }
      - {id: secret, type: webhook, if: 'false', url: 'http://127.0.0.1/{{env.TOKEN}}'}
    """

    def masking(self, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
        """Events for the masking of the second line: it has begun, and it may end."""
        begun, may_end, text = threading.Event(), threading.Event(), Masker.text

        def slow(masker: Masker, message: str) -> str:
            if message == self.LINES[1]:
                begun.set()
                may_end.wait(30)
            return text(masker, message)

        monkeypatch.setattr(Masker, "text", slow)
        return begun, may_end

    def receiving(self, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
        """An event for the last line: the server has received it."""
        received, add = asyncio.Event(), _Printed.add

        def receive(printed: _Printed, line: str) -> None:
            add(printed, line)
            if line == self.LINES[-1]:
                received.set()

        monkeypatch.setattr(_Printed, "add", receive)
        return received

    @staticmethod
    def logged(ended: Ended) -> list[str]:
        return [e.data["message"] for e in ended.events if e.type == "step.log"]

    async def test_they_are_kept_when_the_time_of_the_run_is_over(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        # The time in which what was printed is still masked.
        loop_time.hold(0.3)
        await world.secret("TOKEN", "super-secret-value")
        _, may_end = self.masking(monkeypatch)
        received = self.receiving(monkeypatch)
        time_limit = 15
        # The first code waits for the start of the sandbox.
        await world.run(PYTHON.replace("MORE", ""))

        run_id, heard = await world.start(
            await world.pipeline(self.SOURCE % list(self.LINES)),
            run_timeout=timedelta(seconds=time_limit),
        )
        async with asyncio.timeout(30):
            await received.wait()
        server = world.engine._dependencies.sandbox.pid
        assert server is not None
        code = below(server)
        assert code
        loop, now = asyncio.get_running_loop(), asyncio.get_running_loop().time
        loop.time = lambda: now() + time_limit  # the loop ends with the test
        assert await processes_ended(code)
        may_end.set()
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"
        assert self.logged(ended) == list(self.LINES)

    async def test_they_are_seen_while_it_runs_and_kept_when_the_run_is_cancelled(
        self, world: World
    ):
        await world.secret("TOKEN", "super-secret-value")

        run_id, heard = await world.start(await world.pipeline(self.SOURCE % list(self.LINES)))
        await heard.until("step.log", message=self.LINES[-1])
        await world.cancel(run_id)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "cancelled"
        assert self.logged(ended) == list(self.LINES)

    async def test_a_run_whose_time_is_over_does_not_wait_until_all_are_masked(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        await world.secret("TOKEN", "super-secret-value")
        begun, may_end = self.masking(monkeypatch)
        pipeline_id, time_limit = await world.pipeline(self.SOURCE % list(self.LINES)), 15
        run_id, heard = await world.start(pipeline_id, run_timeout=timedelta(seconds=time_limit))
        await asyncio.to_thread(begun.wait, 30)

        loop, now = asyncio.get_running_loop(), asyncio.get_running_loop().time
        loop.time = lambda: now() + time_limit  # the loop ends with the test
        await heard.until_ended()
        may_end.set()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"
        # The short line is logged if it arrived before the others.
        assert set(self.logged(ended)) <= {"short"}
