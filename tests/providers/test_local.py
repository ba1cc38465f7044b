import asyncio
import json
import os
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from stepiq.core.concurrency.fairness import act_for
from stepiq.execution.calls import budget
from stepiq.providers.base import Cost, Model, ProviderError
from stepiq.providers.local import weights
from stepiq.providers.local.model import LocalServer
from stepiq.providers.local.weights import LocalModelUnavailable, WeightsFetch, weights_path
from stepiq.providers.registry import Providers
from stepiq.providers.sources import LocalSource
from tests.providers.conftest import ask, settings_with
from tests.support.containers import ROOT
from tests.support.local_model import CACHE, needs_local_model

TICKET = """From: Daniel Osei <daniel.osei@example.com>
Subject: Broken on arrival

My order R-8820 from 2026-02-20 arrived with a cracked screen. I am very disappointed and want my money back."""

FACTS = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "pattern": "^[A-Z][a-z]{1,20}( [A-Z][a-z]{1,20}){1,2}$"},
        "order_number": {"type": "string", "pattern": "^[A-Z]-[0-9]{4}$"},
        "order_date": {"type": "string", "pattern": "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"},
    },
    "required": ["customer", "order_number", "order_date"],
    "additionalProperties": False,
}


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[Providers]:
    providers = Providers(settings_with(tmp_path))
    yield providers
    await providers.close()


def pid_of(providers: Providers) -> int | None:
    source = providers.resolve("local/smollm2-135m").source
    assert isinstance(source, LocalSource)
    return source.pid


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]


async def until(holds: Callable[[], bool]) -> None:
    """Processes come and go without an event to wait for."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.01)


async def gone(pid: int) -> None:
    """Return once no process has that number; a zombie counts as gone."""

    def is_gone() -> bool:
        try:
            return state_of(pid) == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    await until(is_gone)


@pytest.mark.slow
@needs_local_model
class TestLocalModel:
    async def test_it_extracts_facts_into_a_schema_streams_and_is_free(self, providers: Providers):
        model = providers.resolve("local/smollm2-135m")
        prompt = f"Extract the customer, order number and order date from this message as JSON.\n\n{TICKET}"

        finished = await ask(model, prompt=prompt, json_schema=FACTS, temperature=0, max_tokens=200)

        assert json.loads(finished.text) == {
            "customer": "Daniel Osei",
            "order_number": "R-8820",
            "order_date": "2026-02-20",
        }
        assert finished.model == "smollm2-135m"
        assert finished.usage.output_tokens > 10
        assert not finished.usage.estimated
        assert model.cost(finished.usage) == Cost(0, 0, 0)

    async def test_calls_share_one_process_and_it_comes_back_when_it_dies(
        self, providers: Providers
    ):
        model = providers.resolve("local/smollm2-135m")
        await asyncio.gather(*[ask(model, max_tokens=3) for _ in range(3)])
        first = pid_of(providers)
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await until(lambda: pid_of(providers) is None)
        finished = await ask(model, max_tokens=3)

        assert finished.text
        assert pid_of(providers) not in (None, first)

    async def test_the_same_call_gets_the_same_answer_whatever_else_runs(
        self, providers: Providers
    ):
        model = providers.resolve("local/smollm2-135m")
        prompts = [f"Write two sentences about {topic}." for topic in ("moss", "the sea", "rain")]

        alone = [await ask(model, prompt=prompt, max_tokens=30) for prompt in prompts]
        together = await asyncio.gather(
            *[ask(model, prompt=prompt, max_tokens=30) for prompt in prompts]
        )
        await providers.close()
        later = [await ask(model, prompt=prompt, max_tokens=30) for prompt in reversed(prompts)]

        texts = [finished.text for finished in alone]
        assert texts == [finished.text for finished in together]
        assert texts == [finished.text for finished in reversed(later)]

    async def test_a_long_answer_of_one_workspace_does_not_delay_another(
        self, providers: Providers
    ):
        model = providers.resolve("local/smollm2-135m")
        act_for("hostile")
        # The model uses all of the 1,000 tokens for this. Its answers to many other prompts are short.
        prompt = "Write a long story about a cat and a dog."
        long = [asyncio.create_task(ask(model, prompt=prompt, max_tokens=1_000)) for _ in range(3)]
        await until(lambda: pid_of(providers) is not None)
        act_for("bystander")

        finished = await ask(model, max_tokens=3)

        assert finished.text
        assert not any(task.done() for task in long)
        for task in long:
            task.cancel()
        await asyncio.wait(long)

    async def test_closing_ends_the_process(self, providers: Providers):
        await ask(providers.resolve("local/smollm2-135m"), max_tokens=1)
        pid = pid_of(providers)
        assert pid is not None

        await providers.close()

        await gone(pid)
        assert pid_of(providers) is None

    async def test_a_process_that_hangs_is_killed(self, providers: Providers):
        await ask(providers.resolve("local/smollm2-135m"), max_tokens=1)
        pid = pid_of(providers)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)

        await providers.close()

        await gone(pid)

    async def test_it_lists_its_model(self, providers: Providers):
        assert await providers.probe("local") == ["smollm2-135m"]

    async def test_killing_the_server_leaves_no_orphan(self):
        code = f"""
import asyncio
from pathlib import Path
from stepiq.providers.local.model import LocalServer
from stepiq.providers.local.weights import WeightsFetch
async def main():
    server = LocalServer(WeightsFetch(Path({str(CACHE)!r})))
    await server.connection()
    print("pid", server.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
        )
        assert server.stdout is not None
        pid = 0
        try:
            while not pid:
                word, _, value = (await server.stdout.readline()).decode().partition(" ")
                pid = int(value) if word == "pid" else 0
        finally:
            server.kill()
            await server.wait()

        await gone(pid)

    async def test_a_call_that_is_given_up_while_it_starts_leaves_no_process(
        self, providers: Providers
    ):
        call = asyncio.create_task(ask(providers.resolve("local/smollm2-135m")))
        await until(lambda: pid_of(providers) is not None)
        pid = pid_of(providers)
        assert pid is not None

        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        await gone(pid)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSource:
    """The local model, whose processes only have names."""

    async def connection(self: LocalServer) -> object:
        return self

    monkeypatch.setattr(LocalServer, "connection", connection)
    return LocalSource(settings_with(tmp_path))


class Call:
    """A call of a workspace that lasts until it is ended."""

    def __init__(self, source: LocalSource, workspace: str) -> None:
        self.process: object = None
        self._end = asyncio.Event()
        self._task = asyncio.create_task(self._run(source, workspace))

    async def _run(self, source: LocalSource, workspace: str) -> None:
        act_for(workspace)
        async with source.lease(None) as connection:
            self.process = connection
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self._task


async def calls(source: LocalSource, *workspaces: str) -> list[Call]:
    begun = [Call(source, workspace) for workspace in workspaces]
    for _ in range(4):
        await asyncio.sleep(0)
    return begun


class TestTurns:
    async def test_a_process_computes_one_answer_at_a_time(self, source: LocalSource):
        first, second, third = await calls(source, "a", "b", "c")

        assert first.process is not second.process
        assert not third.process
        await first.end()
        await asyncio.sleep(0)
        assert third.process is first.process
        await second.end()
        await third.end()

    async def test_one_workspace_uses_only_the_first_process(self, source: LocalSource):
        first, second = await calls(source, "a", "a")
        assert not second.process

        await first.end()
        await asyncio.sleep(0)

        assert second.process is first.process
        await second.end()

    async def test_workspaces_take_turns(self, source: LocalSource):
        first, other, second, third, bystander = await calls(source, "a", "b", "a", "a", "c")

        await first.end()
        await asyncio.sleep(0)

        assert bystander.process is first.process
        for call in (other, bystander, second, third):
            await call.end()

    async def test_a_call_that_fails_returns_its_process(
        self, source: LocalSource, monkeypatch: pytest.MonkeyPatch
    ):
        async def refuse(self: LocalServer) -> object:
            raise LocalModelUnavailable("no memory")

        with monkeypatch.context() as patch:
            patch.setattr(LocalServer, "connection", refuse)
            for _ in range(3):
                with pytest.raises(ProviderError, match="no memory"):
                    async with source.lease(None):
                        pass

        (call,) = await calls(source, "a")
        assert call.process is not None
        await call.end()


class TestLengthOfAnswers:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Model:
        return Providers(settings_with(tmp_path)).resolve("local/smollm2-135m")

    @pytest.mark.parametrize(("wanted", "sent"), [(None, 512), (5_000, 512), (10, 10)])
    def test_an_answer_has_at_most_512_tokens(self, model: Model, wanted: int | None, sent: int):
        assert budget.max_tokens(model, wanted, is_limited=False) == sent

    @pytest.mark.parametrize("wanted", [None, 512, 5_000])
    def test_the_advice_about_a_longer_one_is_not_to_raise_the_limit(
        self, model: Model, wanted: int | None
    ):
        sent = budget.max_tokens(model, wanted, is_limited=False)

        advice = budget.cut_off(model, wanted, sent)

        assert "limit of `local/smollm2-135m`" in advice
        assert "another `model`" in advice
        assert "max_tokens" not in advice

    def test_the_limit_of_a_step_can_be_raised(self, model: Model):
        advice = budget.cut_off(model, 10, 10)

        assert advice.endswith("Raise `max_tokens`.")


class TestDamagedWeights:
    async def test_the_message_names_the_file_and_what_to_do(self, tmp_path: Path):
        path = weights_path(tmp_path)
        with path.open("wb") as file:
            file.truncate(weights.SIZE_BYTES)
        providers = Providers(settings_with(tmp_path, cache_dir=tmp_path))

        with pytest.raises(ProviderError) as caught:
            await ask(providers.resolve("local/smollm2-135m"))

        assert caught.value.code == "provider_error"
        assert caught.value.message.startswith("The local model did not start.")
        assert f"{path} is damaged. Delete it" in caught.value.message
        assert pid_of(providers) is None


class TestEnvironment:
    async def test_the_process_sees_none_of_the_servers_variables(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        seen, python = tmp_path / "seen", tmp_path / "python"
        python.write_text(f"#!/bin/sh\n/usr/bin/env > {seen}\n")
        python.chmod(0o755)
        with weights_path(tmp_path).open("wb") as file:
            file.truncate(weights.SIZE_BYTES)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        monkeypatch.setattr(sys, "executable", str(python))

        with pytest.raises(LocalModelUnavailable):
            await LocalServer(WeightsFetch(tmp_path)).connection()

        names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
        names = {name for name in names if not name.startswith("COVERAGE_")}
        assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"TZ"}


class TestWithoutTheLibrary:
    @pytest.mark.parametrize(
        ("has_pip", "tool"), [(True, " -m pip install"), (False, "uv pip install --python ")]
    )
    async def test_the_message_says_how_to_install_it_into_this_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool, tool: str
    ):
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name: (has_pip and name == "pip") or None
        )

        with pytest.raises(LocalModelUnavailable) as caught:
            await LocalServer(WeightsFetch(tmp_path)).connection()

        command = caught.value.message.partition("Install it with: ")[2]
        assert sys.executable in command
        assert tool in command
        configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
        (requirement,) = configuration["dependency-groups"]["local"]
        assert command.endswith(f" '{requirement}'")


class TestLocalServerProcess:
    async def test_without_a_parent_that_says_what_to_do_it_ends(self):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stepiq.providers.local.server",
            stdin=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None

        process.stdin.close()

        async with asyncio.timeout(20):
            assert await process.wait() == 0
