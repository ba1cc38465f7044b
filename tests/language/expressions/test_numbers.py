"""Numbers of both types in expressions: the table of docs/language.md, and rounding."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.language.expressions import Expression
from stepiq.language.expressions.values import without_noise
from stepiq.language.templates import Template

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("### Numbers") : PAGE.index("### Null")]
INPUT = json.loads(SECTION.partition("With the input `")[2].partition("`")[0])
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", SECTION, re.MULTILINE)
CENTS = st.integers(-(10**10), 10**10)


def evaluate(text: str, **values: Any) -> Any:
    return Expression.compile(text).evaluate({"input": values or INPUT})


class TestTable:
    def test_it_is_read(self):
        assert len(ROWS) == 20

    @pytest.mark.parametrize(("text", "expected"), ROWS)
    def test_an_expression_gives_what_the_page_says(self, text, expected):
        assert json.dumps(evaluate(text), separators=(",", ":")) == expected

    @pytest.mark.parametrize("price", [10, 10.0, 10.5])
    def test_the_result_does_not_depend_on_whether_a_price_has_a_fraction(self, price):
        assert evaluate("input.price * 1.19", price=price) == round(price * 1.19, 4)

    @pytest.mark.parametrize(("price", "written"), [(10, "11.9"), (10.0, "11.9"), (100, "119")])
    def test_a_template_writes_a_result_as_the_expression_gives_it(self, price, written):
        total = evaluate("input.price * 1.19", price=price)

        template = Template.compile("{{input.total}} {{json input}}")

        assert template.render({"input": {"total": total}}) == f'{written} {{"total":{written}}}'


class TestRounding:
    @given(CENTS, CENTS)
    def test_amounts_are_added_and_subtracted_to_the_cent(self, a, b):
        assert evaluate("input.a + input.b", a=a / 100, b=b / 100) == (a + b) / 100
        assert evaluate("input.a - input.b", a=a / 100, b=b / 100) == (a - b) / 100

    @given(st.integers(-(10**7), 10**7), st.integers(0, 1_000))
    def test_amounts_times_rates_are_exact(self, amount, rate):
        assert (
            evaluate("input.a * input.b", a=amount / 100, b=rate / 1_000) == amount * rate / 100_000
        )

    @given(CENTS)
    def test_an_amount_in_cents_is_an_integer(self, cents):
        assert evaluate("int(input.a * 100.0)", a=cents / 100) == cents

    @given(st.floats(), st.floats())
    def test_no_result_changes_by_more_than_the_error_of_the_operation(self, value, scale):
        scale = max(abs(value), abs(scale))

        found = without_noise(value, scale)

        if found != value and not math.isnan(value):
            assert abs(found - value) <= 3 * math.ulp(scale)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1.0 / 3.0", 1 / 3),
            ("2.0 / 3.0 * 3.0", 2),
            ("1700000000.123456 + 0.5", 1700000000.623456),
            ("double(1000000000000000) + 1.0", 1_000_000_000_000_001),
            ("1e300 * 1.5", 1.5e300),
            ("5e-324 * 1.0", 5e-324),
            ("string(0.0 + 0.0 / 0.0)", "NaN"),
            ("string(0 - 0.0 / 0.0)", "NaN"),
            ("string(1.0 / 0.0 - 1.0 / 0.0)", "NaN"),
            ("string(1.0 + 1.0 / 0.0)", "Infinity"),
        ],
    )
    def test_a_result_that_needs_its_digits_keeps_them(self, text, expected):
        assert evaluate(text) == expected
