import json
from typing import Any

import pytest

from stepiq.language.code_source import NO_JAVASCRIPT_MAIN
from stepiq.sandbox import frames, limits
from stepiq.sandbox.frames import Job
from stepiq.sandbox.interpreters import javascript
from stepiq.sandbox.interpreters.output import Printed, ProcessEnding

NOW = 1_764_067_000.123


class Page:
    """Runs in this process: only what is well behaved."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run(self, source: str, value: Any = None) -> ProcessEnding:
        printed = Printed(lambda lines: self.lines.extend(lines.split("\n")))
        ending = javascript.run(
            Job("javascript", source, 5, NOW), json.dumps(value).encode(), printed
        )
        printed.finish()
        return ending

    def value(self, expression: str, value: Any = None) -> Any:
        ending = self.run(f"function main(input) {{ return {expression} }}", value)
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
            "function main(input) { return input * 2 }",
            "const main = (input) => input * 2",
            "let main = function (input) { return input * 2 }",
            "var main; main = (input) => input * 2",
            "globalThis['ma' + 'in'] = (input) => input * 2",
            "async function main(input) { return input * 2 }",
            "const main = async (input) => (await Promise.resolve(input)) * 2",
            "'use strict'; function main(input) { return input * 2 }",
            "function main(input) { return input * 2 } // no line after this",
            "function main(input) { return input * 2 }\n123n",
            "function main(input) { return input * 2 }\n10n ** 5000n",
            "function main(input) { return input * 2 }\n'\\ud800'",
            "function main(input) { return input * 2 }\nSymbol()",
        ],
    )
    def test_any_function_of_that_name_is_called(self, page: Page, source: str):
        assert page.run(source, 21).text == "42"

    @pytest.mark.parametrize(
        "source", ["", "const main = 3", "function Main() {}", "{ let main = () => 1 }"]
    )
    def test_code_without_one_is_told(self, page: Page, source: str):
        assert page.error(source) == NO_JAVASCRIPT_MAIN

    def test_returning_nothing_is_null(self, page: Page):
        assert page.value("undefined") is None

    def test_a_promise_that_nothing_settles_is_told(self, page: Page):
        message = page.error("function main() { return new Promise(() => {}) }")

        assert message == (
            "`main` waits for a promise that is never resolved. Timers and the network are not available."
        )

    def test_a_promise_that_is_lost_does_no_harm(self, page: Page):
        assert page.value("(Promise.reject(new Error('lost')), 1)") == 1


class TestErrors:
    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("function main(input) {\n  return input.a.b\n}", "Line 2 of the code: TypeError: cannot read property 'b' of undefined"),
            ("\n\nnope()\nfunction main() {}", "Line 3 of the code: ReferenceError: nope is not defined"),
            ("function main() {\n  let a = 1;\n  let b = = 2;\n}", "Line 3 of the code: SyntaxError: unexpected token in expression: '='"),
            ("function main() {\n  throw new RangeError('far')\n}", "Line 2 of the code: RangeError: far"),
            ("async function main() {\n  await 0\n  throw new Error('late')\n}", "Line 3 of the code: Error: late"),
            ("function f() {\n  throw new Error('deep')\n}\nfunction main() {\n  return [1].map(f)\n}", "Line 2 of the code: Error: deep"),
            ("function main() { return {\n  get a() {\n    throw new Error('got')\n  }\n} }", "Line 3 of the code: Error: got"),
            ("function main() { throw 'text' }", "Thrown: text"),
            ("function main() { throw { a: 1 } }", 'Thrown: {"a":1}'),
            ("function main() { throw undefined }", "Thrown: undefined"),
            ("async function main() { throw 7 }", "Thrown: 7"),
            ("throw 7; function main() {}", "7"),
            ("function main() {\n  return eval('\\n\\n(')\n}", "Line 2 of the code: SyntaxError: unexpected token in expression: ''"),
            ("class main {}", "Line 1 of the code: TypeError: class constructors must be invoked with 'new'"),
        ],
    )  # fmt: skip
    def test_they_name_the_line_of_the_source(self, page: Page, source: str, message: str):
        assert page.error(source, {}) == message

    @pytest.mark.parametrize(
        "source", ["export function main() {}", "\nimport x from 'y'\nfunction main() {}"]
    )
    def test_a_module_is_told_to_be_a_script(self, page: Page, source: str):
        message = page.error(source)

        assert "SyntaxError" in message
        assert message.endswith("The code is a script, not a module. Remove `export` and `import`.")

    def test_an_error_without_a_stack_has_no_line(self, page: Page):
        source = "function main() { const e = new Error('bare'); e.stack = ''; throw e }"

        assert page.error(source) == "Error: bare"

    def test_an_error_that_no_line_of_the_source_raised_has_none(self, page: Page):
        source = "function main() { const made = Proxy.revocable({}, {}); made.revoke(); return made.proxy }"

        assert page.error(source).startswith("TypeError: ")

    def test_a_syntax_error_of_parsed_text_is_none_of_the_source(self, page: Page):
        assert page.error("function main() {\n  JSON.parse('{')\n}").startswith(
            "Line 2 of the code: SyntaxError: "
        )

    @pytest.mark.parametrize(
        "source",
        [
            "throw null",
            "throw 'null'",
            "function main() { throw (null) }",
            "async function main() { throw null }",
            "const main = () => new Promise((resolve, reject) => reject(null))",
            "// does not throw null\nconst all = []; for (;;) all.push('x'.repeat(100))",
        ],
    )
    def test_a_thrown_null_may_be_a_lack_of_memory(self, page: Page, source: str):
        assert page.run(source) == ProcessEnding(frames.LIMIT, limits.NULL_THROWN)

    def test_running_out_of_memory_is_a_limit(self, page: Page):
        ending = page.run("function main() { return new Array(1e8).fill(0) }")

        assert ending == ProcessEnding(frames.LIMIT, f"Line 1 of the code: {limits.OUT_OF_MEMORY}")

    def test_running_out_of_stack_is_a_limit(self, page: Page):
        ending = page.run("\nfunction main() { main() }")

        assert ending == ProcessEnding(frames.LIMIT, f"Line 2 of the code: {limits.TOO_DEEP}")


class TestResults:
    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ("[new Date(0), new Number(3), new String('x'), Object(true)]", ["1970-01-01T00:00:00.000Z", 3, "x", True]),
            ("{ a: undefined, b: [undefined, , null] }", {"b": [None, None, None]}),
            ("{ toJSON: () => ({ a: 1 }) }", {"a": 1}),
            ("[{ toJSON: (key) => key }]", ["0"]),
            ("new (class { x = 1; get y() { return 2 } })()", {"x": 1}),
            ("Object.create(null)", {}),
            ("Object.create({ inherited: 1 })", {}),
            ("new Proxy({ a: 1 }, {})", {"a": 1}),
            ("2n ** 64n", 2**64),
            ("-(10n ** 398n)", -(10**398)),
            ("2 ** 70", 2.0**70),
            ("9007199254740993", 9007199254740992.0),
            ("1e21", 1e21),
            ("5e-324", 5e-324),
            ("Promise.all([1, Promise.resolve(2)])", [1, 2]),
            ("'\\u2028\\u{1F600}\\n\"'", "\u2028\U0001f600\n\""),
        ],
    )  # fmt: skip
    def test_what_has_a_json_form_is_written(self, page: Page, expression: str, value: Any):
        assert page.value(f"({expression})") == value

    @pytest.mark.parametrize(
        ("expression", "problem"),
        [
            ("NaN", "`result` is NaN."),
            ("{ a: [{ b: -Infinity }] }", "`result.a[0].b` is -Infinity."),
            ("{ a: () => 1 }", "`result.a` is of type function."),
            ("[Symbol('s')]", "`result[0]` is of type symbol."),
            ("new Map([[1, 2]])", "`result` is of type Map."),
            ("new Set()", "`result` is of type Set."),
            ("/x/", "`result` is of type RegExp."),
            ("new Uint8Array(2)", "`result` is of type Uint8Array."),
            ("new Error('x')", "`result` is of type Error."),
            ("[Promise.resolve(1)]", "`result[0]` is of type Promise."),
            ("'\\ud800'", "`result` has half of a surrogate pair."),
            ("{ '\\udc00': 1 }", "`result.\ufffd` has half of a surrogate pair."),
            ("['a\\0']", "`result[0]` has the character U+0000, which cannot be stored."),
            ("10n ** 400n", "`result` is an integer of more than 400 characters."),
            ("new Array(101).fill().reduce((a) => [a], 1)", "`result` nests deeper than 100 levels, or contains itself."),
        ],
    )  # fmt: skip
    def test_what_has_none_is_named(self, page: Page, expression: str, problem: str):
        message = page.error(f"function main() {{ return ({expression}) }}")

        assert message == (
            f"The result of `main` is not JSON: {problem}"
            " Return only null, booleans, numbers, text, arrays and plain objects."
        )

    def test_a_hundred_levels_are_not_too_many(self, page: Page):
        assert page.value("new Array(100).fill().reduce((a) => [a], 1)") is not None

    def test_code_that_spoils_the_builtins_is_still_written(self, page: Page):
        source = """
            Object.keys = JSON.stringify = Array.isArray = Reflect.apply = null
            Array.prototype.join = Array.prototype.push = Array.prototype[Symbol.iterator] = null
            String.prototype.slice = Number.isFinite = globalThis.JSON = globalThis.Promise = null
            function main(input) { console.log('still'); return { a: [input] } }
        """

        assert page.run(source, "x").text == '{"a":["x"]}'
        assert page.lines == ["still"]

    def test_more_than_a_megabyte_is_a_limit(self, page: Page):
        ending = page.run("function main() { return [' '.repeat(2 ** 20)] }")

        assert ending == ProcessEnding(frames.LIMIT, limits.OUTPUT_TOO_LARGE)


class TestInput:
    @pytest.mark.parametrize("number", [2**53, -(2**53), 2**64, 10**300])
    def test_an_integer_beyond_a_double_is_a_bigint(self, page: Page, number: int):
        assert page.value("[typeof input[0], input[0] === BigInt(input[1]), input[0]]", [number, str(number)]) == [
            "bigint",
            True,
            number,
        ]  # fmt: skip

    @pytest.mark.parametrize("number", [2**53 - 1, 1e300, 1.5, 2.0**70])
    def test_every_other_number_is_a_number(self, page: Page, number: float):
        assert page.value("typeof input", number) == "number"

    def test_a_key_with_a_meaning_of_its_own_is_only_a_key(self, page: Page):
        value = {"__proto__": {"a": 2**60}, "constructor": 1, "toString": None}

        assert page.value("input", value) == value
        assert page.value("typeof input.a", value) == "undefined"


class TestConsole:
    def test_it_shows_values_as_they_are_written(self, page: Page):
        page.run(
            "function main() {"
            " console.log('a', 1, -0, NaN, null, undefined, true, 12n, Symbol('s'), { b: [1n] }, [() => 1]);"
            " console.info(new Map([[1, new Set([2])]]), new TypeError('bad'));"
            " console.log();"
            " console.error('two\\nlines') }"
        )

        assert page.lines == [
            'a 1 0 NaN null undefined true 12n Symbol(s) {"b":["1n"]} ["[function ]"]',
            "[[1,[2]]] TypeError: bad",
            "",
            "two",
            "lines",
        ]

    @pytest.mark.parametrize("method", ["log", "debug", "info", "warn", "error"])
    def test_each_of_its_methods_writes_to_the_log(self, page: Page, method: str):
        page.run(f"console.{method}('x'); function main() {{}}")

        assert page.lines == ["x"]

    def test_what_cannot_be_shown_does_not_fail_the_code(self, page: Page):
        ending = page.run(
            "function main() { const o = {}; o.o = o;"
            " console.log(o, new Proxy({}, { get() { throw 1 } }), '\\ud800', { toJSON() {} }); return 1 }"
        )

        assert ending.kind == frames.RESULT
        assert page.lines == ["[cannot be shown] [cannot be shown] \ufffd [object Object]"]


class TestClock:
    def test_it_shows_when_the_run_began(self, page: Page):
        assert page.value("[Date.now(), new Date().toISOString(), new Date() - 0]") == [
            1764067000123,
            "2025-11-25T10:36:40.123Z",
            1764067000123,
        ]

    def test_dates_are_otherwise_as_they_are(self, page: Page):
        assert page.value(
            "[new Date(0).getTime(), new Date('2020-01-01').getTime(), new Date(2020, 0, 1).toISOString(),"
            " Date.UTC(2020, 0, 1), Date.parse('2020-01-01'), Date.length, Date.name, new Date() instanceof Date,"
            " Date(0) === new Date().toString(), typeof Date()]"
        ) == [
            0,
            1577836800000,
            "2020-01-01T00:00:00.000Z",
            1577836800000,
            1577836800000,
            7,
            "Date",
            True,
            True,
            "string",
        ]
