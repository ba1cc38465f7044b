"""Functions of authors, in the sandbox."""

import pytest

from tests.support.engine import World

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
