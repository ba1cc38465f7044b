import json
import os
import signal
import sys
from typing import Any

import pytest

from stepiq.language.code_source import MODULES, NO_PYTHON_MAIN
from stepiq.sandbox import frames, limits
from stepiq.sandbox.frames import Job
from stepiq.sandbox.interpreters import python
from stepiq.sandbox.interpreters.output import Printed, ProcessEnding
from tests.sandbox.conftest import Unconfined

NOW = 1_764_067_000.5


class Page:
    """Runs below this process, without what confines a child."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run(
        self, source: str, value: Any = None, seconds: float = 5, kill: int | None = None
    ) -> ProcessEnding:
        printed = Printed(lambda lines: self.lines.extend(lines.split("\n")))

        def ready(worker: int | None) -> None:
            assert worker is not None
            if kill is not None:
                os.kill(worker, kill)

        ending = python.run(
            Job("python", source, seconds, NOW), value, printed, ready, Unconfined()
        )
        printed.finish()
        return ending

    def value(self, expression: str, value: Any = None) -> Any:
        ending = self.run(f"def main(input):\n  return {expression}", value)
        assert ending.kind == frames.RESULT, ending
        return json.loads(ending.text)

    def error(self, source: str, value: Any = None) -> str:
        ending = self.run(source, value)
        assert ending.kind == frames.ERROR, ending
        return ending.text


@pytest.fixture
def page() -> Page:
    return Page()


class TestMain:
    @pytest.mark.parametrize(
        "source",
        [
            "def main(input):\n  return input * 2",
            "async def main(input):\n  return input * 2",
            "main = lambda input: input * 2",
            "def main(*values):\n  return values[0] * 2",
            "def main(input, factor=2):\n  return input * factor",
            "import math\nfactor = 2\ndef main(input):\n  return math.floor(input * factor)",
            "def main(input):\n  return 0\ndef main(input):\n  return input * 2",
            "type = str = list = len = json = 3\ndef main(input):\n  return input * 2",
            "def main(input):\n  return input * 2\nclass A:\n  pass\n{A(): 1}",
        ],
    )
    def test_any_function_of_that_name_is_called(self, page: Page, source: str):
        assert page.run(source, 21).text == "42"

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "# main",
            "\n\n",
            "x = 1",
            "def Main(input): pass",
            "class A:\n  def main(self): pass",
        ],
    )
    def test_code_without_one_is_told(self, page: Page, source: str):
        assert page.error(source) == NO_PYTHON_MAIN

    def test_an_error_of_that_name_inside_is_the_codes_own(self, page: Page):
        source = "def main(input):\n  raise NameError(\"name 'main' is not defined\")"

        assert page.error(source) == "Line 2 of the code: NameError: name 'main' is not defined"


class TestErrors:
    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("def main(input):\n\n  return 1 / 0", "Line 3 of the code: ZeroDivisionError: division by zero"),
            ("\nnope()\ndef main(input): pass", "Line 2 of the code: NameError: name 'nope' is not defined"),
            ("def main(input):\n  x = (\n  return 1", "Line 3 of the code: SyntaxError: Expected an identifier, but found a keyword `return` that cannot be used here"),
            ("def f(x):\n  return x['a']\n\ndef main(input):\n  return f({})", "Line 2 of the code: KeyError: a"),
            ("def main(input):\n  yield 1", "Line 2 of the code: NotImplementedError: The monty syntax parser does not yet support yield expressions"),
            ("import requests\ndef main(input): pass", "Line 1 of the code: ModuleNotFoundError: No module named 'requests'"),
            ("def main(): pass", "Line 1 of the code: TypeError: main() takes 0 positional arguments but 1 was given"),
            ("async def main(input):\n  raise ValueError('late')", "Line 2 of the code: ValueError: late"),
            ("def main(input):\n  raise MemoryError('my own')", "Line 2 of the code: MemoryError: my own"),
            ("def main(input):\n  raise TimeoutError('my own')", "Line 2 of the code: TimeoutError: my own"),
            ("main = 3", "TypeError: 'int' object is not callable"),
        ],
    )  # fmt: skip
    def test_they_name_the_line_of_the_source(self, page: Page, source: str, message: str):
        assert page.error(source) == message

    def test_running_out_of_memory_is_a_limit(self, page: Page):
        ending = page.run("def main(input):\n  return 'a' * 10**10")

        assert ending == ProcessEnding(frames.LIMIT, f"Line 2 of the code: {limits.OUT_OF_MEMORY}")

    def test_running_out_of_stack_is_a_limit(self, page: Page):
        ending = page.run("def main(input):\n  return main(input)")

        assert ending == ProcessEnding(frames.LIMIT, f"Line 2 of the code: {limits.TOO_DEEP}")

    def test_running_out_of_time_is_a_limit(self, page: Page):
        ending = page.run("def main(input):\n  while True: pass", seconds=0.1)

        assert ending == ProcessEnding(frames.LIMIT, limits.too_long(0.1))

    def test_an_interpreter_that_dies_is_a_limit(self, page: Page):
        ending = page.run("def main(input):\n  return 1", kill=signal.SIGKILL)

        assert ending.kind == frames.LIMIT

    def test_an_input_that_python_has_and_the_interpreter_has_not_is_an_error(self, page: Page):
        assert page.error("def main(input):\n  return 1", object()) != ""


class TestResults:
    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ("None", None),
            ("(1, (2, 3))", [1, [2, 3]]),
            ("-0.0", -0.0),
            ("10**398", 10**398),
            ("1e300", 1e300),
            ("'\\u2028\\U0001f600\\n\"'", '\u2028\U0001f600\n"'),
            ("'\\\\u0000'", "\\u0000"),
            ("{'': {'': 1}}", {"": {"": 1}}),
            ("__import_counter(input)", {"a": 2, "b": 1}),
        ],
    )
    def test_what_has_a_json_form_is_written(self, page: Page, expression: str, value: Any):
        source = (
            "from collections import Counter as __import_counter\n"
            f"def main(input):\n  return {expression}"
        )

        assert json.loads(page.run(source, "aab").text) == value

    @pytest.mark.parametrize(
        ("expression", "problem"),
        [
            ("float('nan')", "`result` is nan."),
            ("{'a': [{'b': -float('inf')}]}", "`result.a[0].b` is -inf."),
            ("{1: 2}", "`result` has a key of type int."),
            ("[{None: 2}]", "`result[0]` has a key of type NoneType."),
            ("{'a': {(1, 2): 3}}", "`result.a` has a key of type tuple."),
            ("{'a': (1, {2})}", "`result.a[1]` is of type set."),
            ("b'x'", "`result` is of type bytes."),
            ("[main]", "`result[0]` is of type function."),
            ("range(3)", "`result` is of type range."),
            ("'a\\0'", "`result` has the character U+0000, which cannot be stored."),
            (
                "{'a\\0': 1}",
                "`result` has a key with the character U+0000, which cannot be stored.",
            ),
            ("10**5000", "`result` is an integer of more than 400 digits."),
        ],
    )
    def test_what_has_none_is_named(self, page: Page, expression: str, problem: str):
        message = page.error(f"def main(input):\n  return {expression}")

        assert message == (
            f"The result of `main` is not JSON: {problem} Return only None, booleans, numbers, text, lists, tuples and"
            " dicts whose keys are text."
        )

    def test_more_than_a_megabyte_is_a_limit(self, page: Page):
        ending = page.run("def main(input):\n  return 'x' * 2**20")

        assert ending == ProcessEnding(frames.LIMIT, limits.OUTPUT_TOO_LARGE)

    def test_code_that_replaces_what_writes_is_told(self, page: Page):
        source = "def main(input):\n  global _stepiq_write\n  _stepiq_write = lambda value: 3"

        assert "`_stepiq`" in page.error(source)


class TestPrint:
    def test_lines_come_as_they_are_printed(self, page: Page):
        page.run(
            "print('top')\ndef main(input):\n  print('a', 1, sep='-')\n  print('b', end='')\n  print('c\\nd')"
        )

        assert page.lines == ["top", "a-1", "bc", "d"]


class TestClock:
    def test_it_shows_when_the_run_began_in_utc(self, page: Page):
        source = "import time, datetime\ndef main(input):\n  return [time.time(), str(datetime.datetime.now())]"

        assert json.loads(page.run(source).text) == [NOW, "2025-11-25 10:36:40.500000"]


class TestModules:
    def test_those_that_validation_accepts_are_there(self, page: Page):
        others = sorted({*sys.stdlib_module_names, "pandas"} - {*MODULES, "__future__"})
        names = [*MODULES, *others]
        found = "".join(
            f"try:\n  import {name}\n  found.append('{name}')\nexcept ImportError:\n  pass\n"
            for name in names
        )

        ending = page.run(f"found = []\n{found}def main(input): return found")

        assert json.loads(ending.text) == list(MODULES)
