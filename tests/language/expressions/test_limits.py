import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from stepiq.core.json import Json
from stepiq.language.expressions import Expression, ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.results import MAX_RESULT_BYTES
from stepiq.language.expressions.values import MAX_OPERATIONS, EvaluationMeter
from stepiq.language.templates import OverBudget
from stepiq.language.templates.meter import OPERATIONS_PER_PAUSE
from tests.support.pace import cpu_limit

HUNDRED = "[" + ",".join("1" * 100) + "]"
CONTEXT: dict[str, Any] = {
    "input": {
        "short": "ab",
        "text": "a" * 1_000_000,
        "wide": "\U0001f600" * 500_000,
        "period": "ab" * 100_000,
        "needle": "ab" * 5_000 + "c" + "ab" * 5_000,
        "ints": list(range(20_000)),
        "words": [f"w{n}" for n in range(5_000)],
        "objects": [{"a": n, "b": [n]} for n in range(20_000)],
    }
}


def stopped(text: str, context: dict[str, Any] = CONTEXT) -> str:
    expression = Expression.compile(text)
    with cpu_limit(0.5), pytest.raises(ExpressionError) as caught:
        expression.evaluate(context)
    return caught.value.message


class TestWork:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "text",
        [
            f"{HUNDRED}.map(x, {HUNDRED}.map(y, {HUNDRED}.map(z, x)))",
            f"{HUNDRED}.all(a, {HUNDRED}.all(b, {HUNDRED}.all(c, {HUNDRED}.all(d, true))))",
            f"{HUNDRED}.all(x, {HUNDRED}.all(y, " + "&&".join(["x == y"] * 60) + "))",
            f"{HUNDRED}.exists_one(a, {HUNDRED}.exists_one(b, {HUNDRED}.exists_one(c, a == c)))",
            "input.ints.filter(x, input.ints.exists(y, y == x))",
            "[1]" + ".map(x, [x, x])" * 25,
            "[[1]" + ".map(x, [x, x])" * 20 + "].map(d, d == d)",
            "[{'a': 1}]" + ".map(x, {'l': x, 'r': x})" * 20,
            "[input.ints]" + ".map(x, x + x)" * 20,
            f"{HUNDRED}.all(x, input.ints == input.ints)",
            f"{HUNDRED}.all(x, input.objects == input.objects)",
            f"{HUNDRED}.all(x, !(-1 in input.ints))",
            f"{HUNDRED}.all(x, !([1] in input.objects))",
            f"{HUNDRED}.all(x, input.text == input.text + '')",
            f"{HUNDRED}.all(x, input.text <= input.text)",
            "input.ints.all(x, !input.period.contains(input.needle))",
            f"{HUNDRED}.map(x, input.wide + input.short)",
            f"{HUNDRED}.map(x, bytes(input.text))",
            f"{HUNDRED}.map(x, string(b'a') + string(bytes(input.text)))",
            "input.ints.all(x, timestamp(x).getHours('Europe/Berlin') >= 0)",
            "input.ints.all(x, duration('1h') > duration('1m'))",
            "input.ints.all(x, string(double(x)) != '')",
            "input.text.matches('b.{400}c')",
            "input.words.all(w, !input.short.matches('b.{400}c' + w))",
            "input.words.exists(w, 'a'.matches('.{300}' + w))",
        ],
    )
    def test_it_ends_at_its_limit(self, text):
        assert "it needs more than 100,000 operations" in stopped(text)

    def test_no_operator_decides_without_it(self):
        endless = f"{HUNDRED}.all(a, {HUNDRED}.all(b, {HUNDRED}.all(c, true)))"

        assert "needs more than" in stopped(f"{endless} || true")
        assert "needs more than" in stopped(f"[1, 2].exists(x, {endless} || x == 2)")

    def test_every_item_costs_what_is_asked_of_it(self):
        meter = EvaluationMeter()
        Expression.compile("input.ints.all(x, x >= 0)").evaluate(CONTEXT, meter=meter)

        meter.spend(MAX_OPERATIONS - 20_000 * 4)
        with pytest.raises(Exception, match="needs more than"):
            meter.spend()

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("input.ints.exists(x, x == 19999)", True),
            ("input.words.map(w, w + '!').size()", 5_000),
            ("['x', 'y', 'z'].exists(k, input.text.contains(k))", False),
            ("input.text.matches('^a+$')", True),
            ("input.words.exists(w, w.matches('^w4999$'))", True),
            ("input.objects.map(o, o.b[0]).size()", 20_000),
            ("size(input.text) + size(input.objects)", 1_020_000),
        ],
    )
    def test_ordinary_work_is_done(self, text, value):
        with cpu_limit(0.5):
            assert Expression.compile(text).evaluate(CONTEXT) == value

    def test_one_large_output_does_not_slow_down_the_reading_of_another(self):
        context = {
            "steps": {"a": {"output": {"score": 9}}, "b": {"output": {"list": [{}] * 1_000_000}}}
        }
        expression = Expression.compile("steps.a.output.score >= 8")

        with cpu_limit(0.1):
            assert all(expression.decide(context) for _ in range(1_000))


class TestSizes:
    @pytest.mark.parametrize(
        "text",
        [
            "input.text + input.text",
            "['ab']" + ".map(x, x + x)" * 25,
            "[b'ab']" + ".map(x, x + x)" * 25,
        ],
    )
    def test_a_text_has_a_longest_length(self, text):
        assert "it creates a string of more than 1,048,576 characters" in stopped(text)

    @pytest.mark.parametrize(
        "text",
        [
            "input",
            "input.wide",
            "[input.text, input.text]",
            "[input]",
            "{'a': input.text, 'b': input.text}",
            "{input.text: input.text}",
            "input.?wide",
            "input.objects",
            "steps",
        ],
    )
    def test_a_result_has_a_longest_length(self, text):
        objects = [{"a": "x" * 20, "b": [n]} for n in range(40_000)]
        many = {str(n): {"output": {"text": "x" * 500_000}} for n in range(100)}
        context = {"input": {**CONTEXT["input"], "objects": objects}, "steps": many}

        assert "the result is larger than 1,048,576 bytes" in stopped(text, context)

    def test_a_result_may_be_as_long_as_that(self):
        text = "x" * (MAX_RESULT_BYTES - 10)

        assert Expression.compile("input.x").evaluate({"input": {"x": text}}) == text

    def test_checking_it_does_not_count_towards_the_limit(self):
        value: list[Json] = [[]] * 250_000

        assert Expression.compile("input.x").evaluate({"input": {"x": value}}) is value

    @pytest.mark.parametrize(
        "value",
        [[{"a": 1}] * 600, {str(n): 1 for n in range(20_000)}, [1] * 20_000, [[[[]]]] * 200],
    )
    def test_checking_it_is_work(self, value):
        context = {"input": {"x": value}}

        with pytest.raises(OverBudget):
            Expression.compile("input.x").evaluate(context, meter=EvaluationMeter(budget=500))

    def test_the_work_pauses(self):
        pauses: list[int] = []
        meter = EvaluationMeter(pause=lambda: pauses.append(1))
        context: dict[str, Any] = {"input": {"x": [[1]] * 10_000}}

        Expression.compile("input.x").evaluate(context, meter=meter)

        assert len(pauses) >= 10_000 // OPERATIONS_PER_PAUSE

    def test_a_hostile_expression_takes_little_memory(self):
        expression = Expression.compile(f"{HUNDRED}.map(x, input.wide + input.short)")
        tracemalloc.start()
        with pytest.raises(ExpressionError):
            expression.evaluate(CONTEXT)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert peak < 40_000_000


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "(" * 2000, "[" * 2000, "{" * 1999, "!" * 2000, "-" * 1999 + "1", "a." * 1000, "f(" * 1000, "1" + "+1" * 999,
            "true" + "&&true" * 330, "1==1" + "||1==1" * 320, "[" + "1," * 990 + "]", "'" * 2000, '"' * 1999, "é" * 2000,
            "optional.of(1)" + ".optMap(x, x)" * 28, "[].map(y," * 28 + "1" + ")" * 28, "x.all(y," * 250, "?" * 2000,
            "{{" * 1000, "{{input." * 250, "{{[" * 600, "'\\" * 1000, "r'''" * 500, "9" * 2000, "1." * 1000, "`" * 2000,
            "a ? " * 500, "a ? b : " * 250, "\n" * 2000, "//" * 1000, "in " * 600, "= " * 1000, "[?" * 1000, "{?" * 1000,
        ],
    )  # fmt: skip
    def test_hostile_text_is_read_or_refused_at_once(self, text):
        with cpu_limit(0.3), suppress(ExpressionSyntaxError):
            Expression.compile(text)

    def test_many_optional_items_are_told_apart(self):
        items = ", ".join(["?x"] * 150 + ["2"] + ["?x"] * 150)

        value = Expression.compile(f"[optional.of(1)].map(x, [{items}])").evaluate({})

        assert value == [[1] * 150 + [2] + [1] * 150]
