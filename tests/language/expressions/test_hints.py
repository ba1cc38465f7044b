from contextlib import suppress

import pytest

from stepiq.language.expressions import Expression, ExpressionSyntaxError, hints
from stepiq.language.expressions.environment import ENGINE
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
            ("input.a = 1", 9, "`=` is not an operator. Compare with `==`."),
            ("input.a === 1", 9, "`===` is written `==`."),
            ("input.a !== 1", 9, "`!==` is written `!=`."),
            ("input.a <> 1", 9, "`<>` is written `!=`."),
            ("input.a & input.b", 9, "`&` is written `&&`."),
            ("input.a | upper", 9, "There are no filters."),
            ("input.a and input.b", 9, "`and` is written `&&`."),
            ("input.a or input.b", 9, "`or` is written `||`."),
            ("not input.a", 1, "`not` is written `!`"),
            ("input.a is null", 9, "`is` is written `==`."),
            ("input.a == None", 12, "Nothing is written `null`."),
            ("input.a == True", 12, "True is written `true`."),
            ("FALSE", 1, "False is written `false`."),
            ("undefined", 1, "Nothing is written `null`."),
            ("1 if input.a else 2", 3, "`test ? this : that`"),
            ("x => x", 3, "Go through a list with a macro"),
            ("lambda x: x", 1, "Go through a list with a macro"),
            ("[x for x in input.a]", 4, "Go through a list with a macro"),
            ("input.a contains 'x'", 9, "Write it as a call"),
            ("input.a ?? 1", 9, "A fallback is written"),
            ("input?.a", 7, "the dot first: `input.?topic`"),
            ("2 ** 3", 3, "There is no power."),
            ("i++", 2, "Nothing can be changed here."),
            ("true ? 1", 9, "A choice has two results"),
            ("true ? 1 : 'a'", 6, "Both results of `? :` must be of one kind, and an integer and a string are not."),
            ("1 ? 2 : 3", 3, "Before `?` stands true or false; it is an integer."),
            ("len(input.a)", 1, "There is no function `len`. The length of a text, list or object is `size(x)`."),
            ("input.a.length()", 9, "is `size(x)`"),
            ("input.a.includes('b')", 9, "`text.contains('x')`"),
            ("input.a.lower()", 9, "There is no function `lower`. There are all, bool,"),
            ("input.a.startsWit('b')", 9, "Did you mean `startsWith`?"),
            ("now()", 1, "There is no clock"),
            ("input.a.map(x)", 12, "`map` takes a name and an expression with it: `list.map(x, x.ready)`."),
            ("input.a.all(i, v, true)", 12, "`all` takes a name and an expression with it: `list.all(x, x.ready)`."),
            ("has(input.a, 1) && has()", 4, "`has` takes a field"),
            ("input.?a ? 1 : 2", 10, "Before `?` stands true or false; it is an optional value. Give a fallback: `.orValue(false)`."),
            ("'a'.b", 4, "A value of this kind has no fields."),
            ("'a'.all(x, true)", 1, "Macros go through lists and objects"),
            ("input.a.map(1, 2)", 13, "A macro takes a name first"),
            ("has(input)", 5, "`has` takes a field"),
            ("has(input['a'])", 10, "`has` takes a field"),
            ("topic == 1", 1, "Nothing is called `topic`. Write `input.topic` for an input, `vars.topic` for a variable, "),
            ("review.output.score > 1", 1, "`steps.review.output` for a step, or `'review'` for a text."),
            ("input.a == yes", 12, "`'yes'` for a text"),
            ("env.KEY == 'a'", 1, "Secrets can only be used in templates"),
            ("env", 1, "Secrets can only be used in templates"),
            ("env['KEY']", 1, "Secrets can only be used in templates"),
            ("'a' == {{env.KEY}}", 8, "Secrets can only be used in templates"),
            ("{{input.a == 1}}", 1, "Inside braces stands a single path"),
            ("{{json input}}", 1, "Inside braces stands a single path"),
            ("{{@root.input}} {{@index}}", 17, "Inside braces stands a single path"),
            ("{{this}}", 1, "Inside braces stands a single path"),
            ("{{}}", 1, "Inside braces stands a single path"),
            ("{{! note }}", 1, "Inside braces stands a single path"),
            ("{{[two words].a}}", 1, "Nothing is called `two words`."),
            ("{{true.a}}", 1, "Nothing is called `true`."),
            ("{{topic}}", 1, "Nothing is called `topic`."),
            ("{{input.a", 1, "These braces are never closed. Write `}}` after the path."),
            ("{{{input.a}}", 1, "Write `}}}` after the path."),
            ("'abc", 1, "This text is never closed. Write `'` at its end."),
            ('1 + "abc', 5, 'Write `"` at its end.'),
            ("input.`a", 7, "This name is never closed."),
            ("\u201ca\u201d", 1, "straight quotes"),
            ("input.é", 7, "The character `é` has no meaning outside of quotes."),
            ("@x", 1, "The character `@` has no meaning"),
            ("'\\q'", 1, "A backslash starts an escape"),
            ("'\\ud800'", 1, "an escape for a character that does not exist"),
            ("b'\\u00e9'", 1, ""),
            ("(1", 3, "A bracket is never closed."),
            ("[1", 3, "A bracket is never closed."),
            ("size(1", 7, "A bracket is never closed."),
            ("1)", 2, "`)` cannot stand here."),
            ("1 2", 3, "`2` cannot stand here. An operator, a comma or a bracket is missing before it."),
            ("input.a ==", 11, "The expression ends where a value must stand."),
            ("input.", 7, "The expression ends where a value must stand."),
            ("input..a", 7, "A name cannot start with a dot."),
            ("input.'a'", 7, "Fields are named `input.topic`"),
            ("input.in + 1", 7, "`.in` cannot be read."),
            ("input.list.0 + 1", 11, "`.0` cannot be read."),
            (".input.a", 1, "A name cannot start with a dot."),
            ("1 + .input.a", 5, "A name cannot start with a dot."),
            ("1 in .input.a", 6, "A name cannot start with a dot."),
            ("if", 1, "A choice is written"),
            ("package", 1, "a reserved word of CEL"),
            ("9223372036854775808", 1, "too large for an integer"),
            ("0xfffffffffffffffff", 1, "too large for an integer"),
            ("99999999999999999999u", 1, "too large for an integer"),
            ("5 % 2.0", 3, "`%` does not take an integer and a double. Use integers: `int(x) % 2`."),
            ("[1][1.0]", 4, "`[…]` does not take a list and a double. Use an integer: `list[int(x)]`."),
            ("[1].first().orValue(0.5)", 20, "`orValue` does not take an optional value and a double. Give a fallback of the type of the value"),
            ("1 < 'a'", 3, "`<` does not take an integer and a string."),
            ("'a' + 1", 5, "`+` does not take a string and an integer. Write `string(x)` to join it to a text."),
            ("1 == 'a'", 3, "Values of two kinds are never equal"),
            ("1 in ['a']", 3, "`in` does not take an integer and a list."),
            ("true && 1", 6, "`&&` does not take a boolean and an integer. Compare each value"),
            ("!1", 1, "`!` does not take an integer. Compare each value"),
            ("-'a'", 1, "`-` does not take a string."),
            ("[1] < [2]", 5, "`<` does not take a list and a list."),
            ("'abc'[0]", 6, "`[…]` does not take a string and an integer."),
            ("string({'a': [1]})", 7, "`string` does not take an object."),
            ("[?1]", 3, "After `?` stands an optional value"),
            ("{[1]: 2}", 1, "The keys of an object are texts"),
            ("{a: 1}", 2, "Nothing is called `a`."),
            ("google.protobuf.Value{}", 1, "not part of the language"),
            ("1 == google.protobuf.NullValue.NULL_VALUE", 31, "not part of the language"),
            ("input.?a.optMap(x, x)", 10, "`optMap` is not part of the language."),
            ("input.?a.optFlatMap(x, x)", 10, "`optFlatMap` is not part of the language."),
            ("input.a.matches('(')", 16, "A bracket `(` is never closed."),
            ("(" * 40 + "1" + ")" * 40, 1, "nests deeper than 32 levels"),
            ("1" + " + 1" * 60, 1, "nests deeper than 32 levels"),
            ("input" + ".a" * 60, 1, "nests deeper than 32 levels"),
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

        assert refused("1 + size(input.a)").message == "`size` is not part of the language."

    def test_a_loop_of_another_shape_is_refused(self):
        compiled = ENGINE.compile("optional.of(1).optMap(x, x)")

        with pytest.raises(Foreign):
            decode(compiled.serialize())

    @pytest.mark.parametrize(
        ("complaint", "message"),
        [
            ("INTERNAL: something new [INTERNAL]", "CEL refuses this: something new."),
            ("ERROR: <input>:1:1: something new", "CEL refuses this: something new."),
            ("ERROR: <input>:1:1: found no matching overload for 'f' applied to '(wrapper(int))'", "`f` does not take `wrapper`."),
            ("ERROR: <input>:1:1: Syntax error: something new", "`` cannot stand here."),
            ("ERROR: <input>:1:5: undeclared reference to 'x' (in container '')", "Nothing is called `x`."),
        ],
    )  # fmt: skip
    def test_a_complaint_that_no_version_makes_yet_is_passed_on(self, complaint, message):
        assert message in hints.explain(read("1 + 1"), complaint)[1]

    @pytest.mark.parametrize("name", sorted(set(hints.CALLABLE) - set(hints.MACROS)))
    def test_every_function_that_is_offered_exists(self, name):
        calls = (f"input.{name}()", f"input.{name}(input)", f"{name}(input)", f"{name}()")

        assert any(compiles(call) for call in calls)
