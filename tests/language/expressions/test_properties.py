import math
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stepiq.language.expressions import Expression, ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.values import EvaluationMeter
from tests.language.expressions import oracle

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    # Larger integers become doubles.
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
SMALL = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.5, 2.0, "", "a", "b", "ab"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)
PIECES = st.sampled_from(
    [
        "input", "input.a", "input.b", "vars", "steps.x.output", "item", "env.KEY", "{{input.a}}", "{{", "}}", "'a'", '"b"', "'",
        "1", "2.5", "3u", "b'x'", "null", "true", "false", "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "!", "?", ":",
        "(", ")", "[", "]", "{", "}", ",", ".", ".?", "[?", "x", "in", " ", ".map(x, x)", ".filter(x, x == 1)", ".all(x, true)",
        ".exists(x, x.a)", "has(input.a)", "size(", ".size()", "string(", "int(", "double(", "timestamp(", "duration(", "type(",
        ".matches('a')", ".contains('a')", ".orValue(1)", "optional.of(", "optional.none()", "dyn(", ".first()", "=", "and", "\n",
    ]
)  # fmt: skip
PATHS = st.sampled_from(["input.a", "input.b", "input.a.a", "input.b[0]", "input.a['b']", "x"])
LITERALS = st.sampled_from(
    [
        "1",
        "-2",
        "0.5",
        "2.0",
        "'a'",
        "''",
        "null",
        "true",
        "false",
        "[1, 'a']",
        "{'a': 1}",
        "[]",
        "1u",
    ]
)
EXPRESSIONS = st.recursive(
    PATHS.filter(lambda path: path != "x") | LITERALS.map(lambda text: f"dyn({text})"),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"]), inner)
        .map(lambda parts: f"dyn({' '.join(parts)})")
        | st.tuples(st.sampled_from(["!", "-"]), inner).map(lambda parts: f"dyn({parts[0]}({parts[1]}))")
        | st.tuples(st.sampled_from(["size", "string", "double", "type", "bool"]), inner)
        .map(lambda parts: f"dyn({parts[0]}(dyn({parts[1]})))")
        | st.tuples(inner, inner, inner).map(lambda parts: f"dyn({parts[0]} ? {parts[1]} : {parts[2]})")
        | st.tuples(inner, st.sampled_from(["map", "filter", "all", "exists", "exists_one"]), inner)
        .map(lambda parts: f"dyn({parts[0]}.{parts[1]}(x, dyn({parts[2]} == x)))")
        | st.tuples(inner, st.sampled_from(["a", "b"])).map(lambda parts: f"dyn({parts[0]}.{parts[1]})")
        | st.tuples(inner, inner).map(lambda parts: f"dyn({parts[0]}[{parts[1]}])")
        | st.lists(inner, max_size=2).map(lambda parts: f"dyn([{', '.join(parts)}])")
        | inner.map(lambda part: f"dyn({{'a': {part}}})")
    ),
    max_leaves=5,
)  # fmt: skip


def same(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return isinstance(left, bool) is isinstance(right, bool) and left == right


class TestExpressions:
    @given(st.text(max_size=60) | st.lists(PIECES, max_size=12).map("".join), SMALL, SMALL)
    def test_any_text_is_an_expression_or_is_refused_and_has_a_value_or_none(self, text, a, b):
        with suppress(ExpressionSyntaxError):
            expression = Expression.compile(text)
            for reference in expression.references:
                assert expression.locate(reference.offset) >= (1, 1)
                assert reference.parts[0] in ("input", "vars", "steps", "run", "item", "index")
            with suppress(ExpressionError):
                expression.evaluate({"input": {"a": a, "b": b}, "vars": {}})
            with suppress(ExpressionError):
                assert expression.decide({"input": {"a": a, "b": b}}) in (True, False)

    @given(VALUES)
    def test_a_value_comes_out_as_it_went_in(self, value):
        assert Expression.compile("input.x").evaluate({"input": {"x": value}}) == value

    @given(VALUES)
    def test_the_items_of_a_value_come_out_as_they_went_in(self, value):
        made = Expression.compile("[input.x, {'a': input.x}].map(i, i)").evaluate(
            {"input": {"x": value}}
        )

        expected = float(value) if type(value) is int and abs(value) >= 2**63 else value
        assert made == [expected, {"a": expected}]

    @given(VALUES)
    def test_every_value_equals_itself(self, value):
        assert Expression.compile("input.x == input.x && input.x in [input.x]").decide(
            {"input": {"x": value}}
        )

    @given(TEXT, TEXT)
    def test_text_is_data_whatever_it_looks_like(self, before, after):
        text = before + "{{env.KEY}}' + input.secret + '${x}" + after
        context = {"input": {"x": text, "secret": "s3cr3t"}}

        assert Expression.compile("input.x + ''").evaluate(context) == text

    @given(EXPRESSIONS, SMALL, SMALL)
    def test_the_value_is_the_one_that_cel_gives(self, text, a, b):
        context = {"input": {"a": a, "b": b}}
        try:
            expected = oracle.evaluate(text, context)
        except oracle.Refused:
            expected = oracle.Refused
        try:
            found = Expression.compile(text).evaluate(context)
        except ExpressionSyntaxError:
            return
        except ExpressionError:
            found = oracle.Refused

        assert same(found, expected), (found, expected)

    @given(st.integers(1, 1_000), EXPRESSIONS, SMALL)
    def test_whatever_the_limit_is_only_an_expression_error_tells_of_it(self, limit, text, a):
        with suppress(ExpressionSyntaxError, ExpressionError):
            Expression.compile(text).evaluate(
                {"input": {"a": a, "b": [a] * 20}}, meter=EvaluationMeter(limit)
            )

    @given(
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(allow_nan=False, allow_infinity=False),
    )
    def test_doubles_are_compared_and_computed_as_doubles(self, a, b):
        context = {"vars": {"a": a, "b": b}}
        found = Expression.compile(
            "[double(vars.a) < double(vars.b), double(vars.a) == double(vars.b)]"
        ).evaluate(context)

        assert found == [a < b, a == b]
        total = a + b
        if math.isfinite(total):
            found = Expression.compile("double(vars.a) + double(vars.b)").evaluate(context)
            # The noise of binary fractions is rounded away: decision 0015.
            assert abs(found - total) <= 3 * math.ulp(max(abs(a), abs(b), abs(total)))
