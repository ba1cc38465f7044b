import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.language.code_source import (
    MAX_PARSED_BYTES,
    MAX_SOURCE_BYTES,
    NO_JAVASCRIPT_MAIN,
    NO_PYTHON_MAIN,
    Found,
    check_javascript,
    check_python,
)
from tests.support.pace import cpu_limit

ONE_ARGUMENT = "`main` must have one parameter, the step's input. Write `def main(input):`."


class TestCheckPython:
    @pytest.mark.parametrize(
        "source",
        [
            "def main(input): return 1",
            "async def main(input): return 1",
            "def main(input, /): pass",
            "def main(*values): pass",
            "def main(input, factor=2, *, unit='m', **rest): pass",
            "def main(input=None): pass",
            "def main(a, b): pass\ndef main(input): pass",
            "main = lambda input: 1",
            "main: object = print",
            "a = main = print",
            "(main := print)",
            "for main in [print]: pass",
            "from math import sqrt as main",
            "from json import main",
            "from math import *",
            "class main: pass",
            "if True:\n  def main(input): pass",
            "try:\n  async def main(input): pass\nexcept ValueError: pass",
            "exec('def main(input): pass')",
            "def make():\n  global main\n  main = print\nmake()",
            "class A:\n  global main\n  main = print",
            "def main(a, b): pass\nmain = print",
            r'def main(input): return "\d"',
            "# -*- coding: nonsense -*-\ndef main(input): pass",
        ],
    )
    def test_source_with_a_main_is_fine(self, source: str):
        assert check_python(source) is None

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "x = 1",
            "import math as m, os",
            "def Main(input): pass",
        ],
    )
    def test_source_without_one_is_told(self, source: str):
        assert check_python(source) == (1, 1, NO_PYTHON_MAIN)

    @pytest.mark.parametrize(
        "parameters", ["", "a, b", "a, /, b", "*, input", "a, *, b", "a, b, c=1", "**values"]
    )
    def test_a_main_that_does_not_take_one_argument_is_told_where_it_is(self, parameters: str):
        assert check_python(f"x = 1\n\ndef main({parameters}): pass") == (3, 1, ONE_ARGUMENT)

    @pytest.mark.parametrize(
        ("source", "line", "column", "why"),
        [
            ("def main(input):\n  return (1", 2, 10, "'(' was never closed."),
            ("def main(input)\n  return 1", 1, 16, "expected ':'."),
            ("def main(input):\nreturn 1", 2, 1, "expected an indented block after function definition on line 1."),
            ("x = {'a' 'b' 1}", 1, 6, "invalid syntax. Perhaps you forgot a comma?"),
            ("x = 'é' +", 1, 10, "invalid syntax."),
            ("x = 1\rdef main(:\r  pass", 1, 16, "invalid syntax."),
            ("x = 1\r\n\rdef main(:\n  pass", 2, 11, "invalid syntax."),
            ("\ufeffx = 1", 1, 1, "invalid non-printable character U+FEFF."),
            ("def main(input): return '\0'", 1, 1, "source code string cannot contain null bytes."),
        ],
    )  # fmt: skip
    def test_a_syntax_error_is_told_where_it_is(
        self, source: str, line: int, column: int, why: str
    ):
        assert check_python(source) == (line, column, f"The code is not valid Python: {why}")

    @pytest.mark.parametrize(
        ("start", "found"),
        [("def main(input): return (", None), ("other = (", (1, 1, NO_PYTHON_MAIN))],
    )
    def test_of_a_long_source_only_the_name_is_looked_for(self, start: str, found: Found | None):
        assert check_python(start + "#" * MAX_PARSED_BYTES) == found

    def test_half_of_a_surrogate_pair_is_told(self):
        found = check_python("x = '\ud800'")

        assert found is not None
        assert found[2].startswith("The code is not valid Python: ")

    @pytest.mark.parametrize("check", [check_python, check_javascript])
    def test_the_limit_counts_bytes(self, check: object):
        assert callable(check)
        most = "/" * (MAX_SOURCE_BYTES - 1)

        assert check(most + "é") == (
            1,
            1,
            "The code is longer than 64 KiB. Shorten it, or split the step in two.",
        )
        assert check(most + "x") != check(most + "é")

    @pytest.mark.parametrize(
        "source",
        ["-" * 16_000 + "1", "1" + "**1" * 5_000, "(lambda:" * 300 + "1" + ")" * 300],
    )
    def test_deep_nesting_is_told(self, source: str):
        assert check_python(source) == (
            1,
            1,
            "The code is nested too deeply. Split it into smaller expressions or functions.",
        )

    @pytest.mark.parametrize(
        "source",
        [
            "(" * 65_000,
            "{1:" * 60,
            "f(a=" * 90 + "b c" + ")" * 90,
            "match x:\n case " + "A(a=" * 90 + "b c" + ")" * 90 + ":pass",
            "lambda x:(" * 60 + "a b",
            "".join(" " * n + "if 1:\n" for n in range(340)),
            "a;" * 32_000,
            "1 if 1 else " * 5_000 + "1",
            "if 1: pass\n" + "elif 1: pass\n" * 5_000,
            "'a'" * 20_000,
            "9" * 65_000,
            "@a\n" * 20_000 + "def main(i): pass",
            "x = 1\n" * 10_000,
        ],
    )
    def test_no_source_takes_long(self, source: str):
        with cpu_limit(1):
            check_python(source)

    @pytest.mark.parametrize(
        ("source", "line", "column", "name"),
        [
            ("import pandas as pd\n{}", 1, 1, "pandas"),
            ("import json, numpy\n{}", 1, 1, "numpy"),
            ("from requests.auth import Auth\n{}", 1, 1, "requests.auth"),
            ("from . import other\n{}", 1, 1, "."),
        ],
    )  # fmt: skip
    def test_a_module_that_the_sandbox_lacks_is_told(self, source, line, column, name):
        found = check_python(source.format("def main(input):\n  pass"))

        assert found is not None
        assert found[:2] == (line, column)
        assert f"does not have the module `{name}`. Use one of `asyncio`, " in found[2]

    @pytest.mark.parametrize(
        "start",
        [
            "from __future__ import annotations",
            "import os.path, json",
            "try:\n  import numpy\nexcept ImportError:\n  numpy = None",
            "if TYPE_CHECKING:\n  import pandas",
            "'import pandas'",
        ],
    )
    def test_other_imports_are_fine(self, start: str):
        assert check_python(f"{start}\ndef main(input): pass") is None

    def test_a_main_after_a_carriage_return_is_told_where_it_is(self):
        assert check_python("x = 1\r\ry = 2\ndef main(): pass") == (2, 1, ONE_ARGUMENT)

    @pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
    @pytest.mark.parametrize(
        ("source", "line", "column"),
        [("x = (", 1, 5), ('"""a', 1, 1), ("if x:", 2, 1), ("x = \\", 1, 1), ("def main():", 2, 1), ("é =", 1, 4)],
    )  # fmt: skip
    def test_a_place_is_in_the_source(self, source: str, line: int, column: int, end: str):
        found = check_python(f"{source}{end}y{end}")

        assert found is not None
        if end == "\r" and line == 2:
            # For editors, a lone carriage return does not end the line.
            line, column = 1, column + len(source + end)
        assert found[:2] == (line, column)

    @given(st.text())
    def test_no_text_fails_it(self, source: str):
        check_python(source)
        check_javascript(source)

    def test_it_agrees_with_the_compiler(self):
        source = ast.unparse(ast.parse("def main(input):\n  return [x for x in input if x]"))

        assert check_python(source) is None


class TestCheckJavascript:
    @pytest.mark.parametrize(
        "source",
        [
            "function main(input) {}",
            "const main = (input) => 1",
            "var {main} = {main: x => x}",
            "function /* here */ main(input) {}",
            "globalThis['ma' + 'in'] = (x) => x",
            "this['m' + 'ain'] = (x) => x",
            "eval(atob('ZnVuY3Rpb24gbWFpbigpIHt9'))",
            "new Function('return 1')()",
            "function \\u006dain(input) {}",
            "function main(input) {", # its syntax is for the engine
        ],
    )  # fmt: skip
    def test_what_may_define_a_main_is_fine(self, source: str):
        assert check_javascript(source) is None

    @pytest.mark.parametrize(
        "source", ["", "const x = 1", "function other(input) { return input }"]
    )
    def test_what_surely_does_not_is_told(self, source: str):
        assert check_javascript(source) == (1, 1, NO_JAVASCRIPT_MAIN)

    @pytest.mark.parametrize(
        ("source", "line", "word"),
        [
            ("import _ from 'lodash'", 1, "import"),
            ("// text\nimport {get} from 'lodash'", 2, "import"),
            ("export const a = 1", 1, "export"),
            ("const a = 1\nconst {get} = require('lodash')", 2, "require"),
        ],
    )
    def test_a_line_that_loads_a_module_is_told(self, source: str, line: int, word: str):
        found = check_javascript(f"{source}\nfunction main(input) {{}}")

        assert found is not None
        assert found[0] == line
        assert f"cannot use `{word}`" in found[2]

    @pytest.mark.parametrize(
        "source",
        [
            "const text = `\nimport a from 'b'\n`",
            "/*\nimport a from 'b'\n*/",
            "const require = (name) => name\nconst a = require('b')",
            "if (typeof require === 'function') {\nconst a = require('b')\n}",
        ],
    )
    def test_other_uses_of_the_words_are_fine(self, source: str):
        assert check_javascript(f"{source}\nfunction main(input) {{}}") is None

    @pytest.mark.parametrize(
        "part", ["'\\", "/*/", "`\\", "\nconst ", "\nimport ", "\nvar a = require( ", "const "]
    )
    def test_no_source_takes_long(self, part: str):
        with cpu_limit(1):
            check_javascript("main" + part * (65_000 // len(part)))
