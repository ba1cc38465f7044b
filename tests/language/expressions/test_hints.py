import re
from contextlib import suppress
from itertools import product

import pytest

from stepiq.language.expressions import Expression, ExpressionSyntaxError, hints
from stepiq.language.expressions.environment import engine
from stepiq.language.expressions.functions import FUNCTIONS
from stepiq.language.expressions.source import read
from stepiq.language.expressions.wire import Foreign, decode


def refused(text: str) -> ExpressionSyntaxError:
    with pytest.raises(ExpressionSyntaxError) as caught:
        Expression.compile(text)
    assert caught.value.code == "expression_syntax"
    return caught.value


def compiles(text: str) -> bool:
    with suppress(ExpressionSyntaxError):
        Expression.compile(text)
        return True
    return False


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "column", "message"),
        [
            ("", 1, "The expression is empty."),
            (" // nothing", 1, "The expression is empty."),
            ("1" * 2001, 2001, "at most 2,000 characters"),
            ("'\ud800'", 2, "half of a surrogate pair"),
            ("input.a = 1", 9, "`=` is not an operator. Write `==` to compare."),
            ("input.a === 1", 9, "Write `==` instead of `===`."),
            ("input.a !== 1", 9, "Write `!=` instead of `!==`."),
            ("input.a <> 1", 9, "Write `!=` instead of `<>`."),
            ("input.a & input.b", 9, "Write `&&` instead of `&`."),
            ("input.a | upper", 9, "Expressions have no filters."),
            ("input.a and input.b", 9, "Write `&&` instead of `and`."),
            ("input.a or input.b", 9, "Write `||` instead of `or`."),
            ("not input.a", 1, "Write `!` instead of `not`"),
            ("input.a is null", 9, "Write `==` instead of `is`."),
            ("input.a == None", 12, "Write `null`."),
            ("input.a == True", 12, "Write `true`."),
            ("yes", 1, "Write `true`."),
            ("input.a == off", 12, "Write `false`."),
            ("undefined", 1, "Write `null`."),
            ("1 if input.a else 2", 3, "`condition ? this : that`"),
            ("x => x", 3, "To process a list, use a macro"),
            ("lambda x: x", 1, "To process a list, use a macro"),
            ("[x for x in input.a]", 4, "To process a list, use a macro"),
            ("input.a contains 'x'", 9, "Call it as a function"),
            ("input.a ?? 1", 9, "For a field that may be absent, write"),
            ("input?.a", 7, "the dot first: `input.?topic`"),
            ("2 ** 3", 3, "Power operators are not supported."),
            ("i++", 2, "Expressions cannot change values."),
            ("true ? 1 : 'a'", 6, "Both results of `? :` must have the same type; these are an integer and a string."),
            ("1 ? 2 : 3", 3, "The condition before `?` must be true or false, but it is an integer."),
            ("input.a.zzz()", 9, "Function `zzz` does not exist. Common functions are `has`, `size`, "),
            ("input.a.startsWit('b')", 9, "Did you mean `startsWith`?"),
            ("input.a.int()", 9, "Write the value in the parentheses: `int(x)`."),
            ("size(input.a, 1)", 1, "`size` does not take this number of values."),
            ("input.a.contains('b', 'c')", 9, "`contains` does not take this number of values."),
            ("contains(input.a, 'b')", 1, "Call `contains` on a value: `x.contains(…)`."),
            ("(1", 3, "A bracket is not closed, or `?` does not have two results"),
            ("{input.a}", 9, "`}` is not expected here. An operator, a comma, a colon or a bracket is missing before it."),
            ("1 < 'a'", 3, "`<` cannot be applied to an integer and a string. Convert a value with `int(x)` or `double(x)`"),
            ("'a' + 1", 5, "`+` cannot be applied to a string and an integer. To join strings"),
            ("duration('1h') > 3600", 16, "Convert a string with `timestamp(x)` or `duration(x)`"),
            ("!1", 1, "`!` cannot be applied to an integer. Compare the value"),
            ("-'a'", 1, "`-` cannot be applied to a string. Convert a value"),
            ("input.a.map(x)", 12, "`map` needs a name and an expression: `list.map(x, x.ready)`."),
            ("input.a.all(i, v, true)", 12, "`all` needs a name and an expression: `list.all(x, x.ready)`."),
            ("has(input.a, 1) && has()", 4, "`has` needs a field"),
            ("'a'.b", 4, "A value of this type has no fields."),
            ("'a'.all(x, true)", 1, "A macro needs a list or an object."),
            ("input.a.map(1, 2)", 13, "The first argument of a macro must be a name"),
            ("has(input)", 5, "`has` needs a field"),
            ("has(input['a'])", 10, "`has` needs a field"),
            ("has((input))", 6, "`has` needs a field"),
            ("input.map(has(1), 1)", 15, "`has` needs a field"),
            ("input.map((a)[0], 1)", 14, "The first argument of a macro must be a name"),
            ("input.all(x, - 9999999999999999999 < x)", 14, "too large for an integer"),
            ("input.all(x, '\\ud800' == x)", 14, "an escape sequence for a character that does not exist"),
            ("[{1.5: 2}]", 1, "The keys of an object must be strings"),
            ("input.map(package, 1)", 11, "This word is reserved in CEL"),
            ("topic == 1", 1, "`topic` is unknown. Write `input.topic` for an input, `vars.topic` for a variable, "),
            ("review.output.score > 1", 1, "`steps.review.output` for a step, or `'review'` for a string."),
            ("input.a == nope", 12, "`'nope'` for a string"),
            ("env.KEY == 'a'", 1, "Secrets can only be used in templates"),
            ("env", 1, "Secrets can only be used in templates"),
            ("env['KEY']", 1, "Secrets can only be used in templates"),
            ("'a' == {{env.KEY}}", 8, "Secrets can only be used in templates"),
            ("{{input.a == 1}}", 1, "Braces can only contain a path"),
            ("{{json input}}", 1, "Braces can only contain a path"),
            ("{{@root.input}} {{@index}}", 17, "Braces can only contain a path"),
            ("{{this}}", 1, "Braces can only contain a path"),
            ("{{}}", 1, "Braces can only contain a path"),
            ("{{! note }}", 1, "Braces can only contain a path"),
            ("{{[two words].a}}", 1, "`two words` is unknown."),
            ("{{true.a}}", 1, "`true` is unknown."),
            ("{{topic}}", 1, "`topic` is unknown."),
            ("{{input.a", 1, "These braces are not closed. Write `}}` after the path."),
            ("{{{input.a}}", 1, "Write `}}}` after the path."),
            ("'abc", 1, "This string is not closed. Write `'` at its end."),
            ('1 + "abc', 5, 'Write `"` at its end.'),
            ("input.`a", 7, "This name is not closed."),
            ("\u201ca\u201d", 1, "straight quotes"),
            ("input.é", 7, "The character `é` is only allowed inside quotes."),
            ("input.a\u00a0> 1", 8, "The character U+00A0 is only allowed inside quotes."),
            ("$.topic == 'x'", 1, "Write names without `$`: `input.topic`"),
            ("@x", 1, "The character `@` is only allowed"),
            ("'\\q'", 1, "for a backslash."),
            ("'\\ud800'", 1, "an escape sequence for a character that does not exist"),
            ("b'\\u00e9'", 1, ""),
            ("1)", 2, "`)` is not expected here."),
            ("[1 2]", 4, "`2` is not expected here."),
            ("1 u99", 3, "`u99` is not expected here."),
            ("input. a. (b)", 11, "`.(` is not valid here."),
            ("[?input.?a, {?'b': input[?'c'] 1}]", 32, "`1` is not expected here."),
            ("true ? 1 :", 11, "The expression is incomplete"),
            ("1 in", 5, "The expression is incomplete"),
            ("input.a ==", 11, "The expression is incomplete: a value is missing at its end."),
            ("input.", 7, "The expression is incomplete: a value is missing at its end."),
            ("input..a", 7, "A name cannot start with a dot."),
            ("input.'a'", 7, "Write `input.topic` for a field"),
            ("input.in + 1", 7, "`.in` is not valid here."),
            ("input.list.0 + 1", 11, "`.0` is not valid here."),
            (".input.a", 1, "A name cannot start with a dot."),
            ("1 + .input.a", 5, "A name cannot start with a dot."),
            ("1 in .input.a", 6, "A name cannot start with a dot."),
            ("if", 1, "Write it as"),
            ("package", 1, "This word is reserved in CEL"),
            ("9223372036854775808", 1, "too large for an integer"),
            ("0xfffffffffffffffff", 1, "too large for an integer"),
            ("99999999999999999999u", 1, "too large for an integer"),
            ("[1][1.0]", 4, "`[…]` cannot be applied to a list and a double. Use an integer: `list[int(x)]`."),
            ("[1].first().orValue(0.5)", 20, "`orValue` cannot be applied to an optional value and a double. Give a fallback of the same type as the value"),
            ("{'a': 1}[null]", 9, "If a value may be null, check it first"),
            ("null + 1", 6, "If a value may be null, check it first: `x == null ? … : …`."),
            ("input.?a + 1", 10, "Use the value inside: `.orValue(…)`."),
            ("1 == 'a'", 3, "Values of different types are never equal"),
            ("'a' in 'abc'", 5, "To search in a string, use `text.contains('a')`."),
            ("${{ input.a }}", 1, "Write the expression without `${{ … }}`"),
            ("input.a matches 'b'", 9, "`input.text.matches('^a')`"),
            ("1 in ['a']", 3, "`in` cannot be applied to an integer and a list. Values of different types are never equal."),
            ("'abc'[0]", 6, "`[…]` cannot be applied to a string and an integer. Only lists and objects have items."),
            ("{'a': 1}[1]", 9, "`[…]` cannot be applied to an object and an integer. Use a string: `x[string(key)]`."),
            ("string({'a': [1]})", 7, "`string` cannot be applied to an object."),
            ("[?1]", 3, "`?` needs an optional value"),
            ("{[1]: 2}", 1, "The keys of an object must be strings"),
            ("{a: 1}", 2, "`a` is unknown."),
            ("google.protobuf.Value{}", 1, "not supported"),
            ("1 == google.protobuf.NullValue.NULL_VALUE", 31, "not supported"),
            ("input.?a.optMap(x, x)", 10, "`optMap` is not supported."),
            ("input.?a.optFlatMap(x, x)", 10, "`optFlatMap` is not supported."),
            ("input.a.matches('(')", 16, "`(` has no closing `)`."),
            ("(" * 40 + "1" + ")" * 40, 1, "nested more than 32 levels deep"),
            ("1" + " + 1" * 60, 1, "nested more than 32 levels deep"),
            ("input" + ".a" * 60, 1, "nested more than 32 levels deep"),
        ],
    )  # fmt: skip
    def test_each_names_its_place_and_says_what_to_write(self, text, column, message):
        error = refused(text)

        assert message in error.message
        assert (error.line, error.column) == (1, column)

    def test_lines_are_counted(self):
        error = refused("input.a == 1 &&\n  {{input.b}} == nope")

        assert (error.line, error.column) == (2, 18)

    def test_a_place_behind_a_placeholder_is_that_of_the_written_text(self):
        assert refused("{{input.[a b]}} = 1").column == 17

    def test_a_function_that_only_the_checker_knows_is_refused(self, monkeypatch):
        monkeypatch.delitem(FUNCTIONS, "size")

        assert refused("1 + size(input.a)").message == "`size` is not supported."

    def test_a_loop_of_another_shape_is_refused(self):
        compiled = engine().compile("optional.of(1).optMap(x, x)")

        with pytest.raises(Foreign):
            decode(compiled.serialize(), lambda _: False)

    @pytest.mark.parametrize(
        ("complaint", "message"),
        [
            ("INTERNAL: something new [INTERNAL]", "The expression is invalid: something new."),
            ("ERROR: <input>:1:1: something new", "The expression is invalid: something new."),
            ("ERROR: <input>:1:1: found no matching overload for 'f' applied to '(wrapper(int))'", "`f` cannot be applied to `wrapper`."),
            ("ERROR: <input>:1:1: Syntax error: something new", "`1` is not expected here."),
            ("ERROR: <input>:1:5: undeclared reference to 'x' (in container '')", "`x` is unknown."),
        ],
    )  # fmt: skip
    def test_a_complaint_that_no_version_makes_yet_is_passed_on(self, complaint, message):
        assert message in hints.explain(read("1 + 1"), complaint)[1]

    @pytest.mark.parametrize("name", sorted(set(hints.CALLABLE) - set(hints.MACROS)))
    def test_every_function_that_is_offered_exists(self, name):
        calls = (f"input.{name}()", f"input.{name}(input)", f"{name}(input)", f"{name}()")

        assert any(compiles(call) for call in calls)


VALUES = {
    "an integer": "1",
    "an unsigned integer": "1u",
    "a double": "1.5",
    "a boolean": "true",
    "a string": "'a'",
    "bytes": "b'a'",
    "null": "null",
    "a list": "[1]",
    "an object": "{'a': 1}",
    "a timestamp": "timestamp('2026-01-01T00:00:00Z')",
    "a duration": "duration('1h')",
    "an optional value": "input.?a",
    "any value": "input.a",
    "a type": "type(1)",
}


def advised():
    """Every expression that a table of hints shows."""
    tables = (hints._WORDS, hints._MARKS, hints._REFUSALS)
    texts = {text for table in tables for text in table.values()}
    shown = {each for text in texts for each in re.findall(r"`([^`]+)`", text)}
    # The others are words, signs, and fields of steps.
    return sorted(
        each for each in shown if re.search(r"\w\(|\w .+ \w|\.", each) and "…" not in each
    )


class TestAdvice:
    @pytest.mark.parametrize(
        "operator",
        ["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "in", "&&", "||", "["],
    )
    def test_each_pair_of_types_that_an_operator_refuses_gets_one(self, operator):
        closing = "]" if operator == "[" else ""
        texts = [
            f"{one} {operator} {other}{closing}"
            for one, other in product(VALUES.values(), VALUES.values())
        ]

        messages = [refused(text).message for text in texts if not compiles(text)]

        assert messages
        assert [each for each in messages if not re.search(r"applied to .+?\. \w", each)] == []

    @pytest.mark.parametrize("expression", advised())
    def test_every_expression_that_is_shown_is_valid(self, expression):
        for name in ("x", "a", "b", "list", "text", "condition", "this", "that"):
            expression = f"[input].map({name}, {expression})"

        assert compiles(expression)
