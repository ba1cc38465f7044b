"""Any JSON goes through a `main` that gives back what it gets, and comes back equal."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox.conversation import CodeFailed, Ran
from stepiq.sandbox.sandbox import Sandbox

SOURCES = {
    CodeLanguage.PYTHON: "def main(input): return input",
    CodeLanguage.JAVASCRIPT: "function main(input) { return input }",
}

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
keys = text | st.sampled_from(["", "__proto__", "constructor", "toJSON", "length", "then", "0"])
numbers = (
    st.integers()
    | st.integers(-(10**398), 10**398)
    | st.integers(2**53 - 3, 2**53 + 3)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


def shape(value: Any) -> Any:
    """With what `==` overlooks: True is not 1, and a zero has a sign. An integral float may come back as an integer."""
    match value:
        case bool():
            return str(value)
        case float() if value == 0:
            return str(value) if str(value) == "-0.0" else 0
        case list():
            return [shape(item) for item in value]
        case dict():
            return [(key, shape(item)) for key, item in sorted(value.items())]
        case _:
            return value


@pytest.mark.slow
@pytest.mark.parametrize("language", list(CodeLanguage))
@given(value=values)
@example(value=[-0.0, 0, 0.0, 1.0, 2.0**53, 2.0**69, 1e21, 1e300, 5e-324])
@example(value=[2**53, -(2**53) - 1, 2**64, 10**398, 123456789012345678901234567890])
@example(value={"__proto__": {"__proto__": 2**60}, "": {"": None}, "toJSON": "x", "then": 1})
@example(value=["\u2028\u2029\x7f\x1f\ufeff\U0001f600\ufffe\uffff", "\\u0000", '"\\', "</script>"])
@settings(
    max_examples=60,
    deadline=None,
)
def test_it_comes_back(sandbox: Sandbox, language: CodeLanguage, value: Any):
    outcome = asyncio.run(
        sandbox.run(language, SOURCES[language], value, timeout=timedelta(seconds=10), log=print)
    )

    assert isinstance(outcome, Ran), outcome
    assert shape(outcome.output) == shape(value)


@pytest.mark.parametrize("levels", [100, 101])
async def test_a_result_of_python_has_at_most_a_hundred_levels(sandbox: Sandbox, levels: int):
    source = (
        "def deep(levels):\n  return [deep(levels - 1)] if levels else 1\n"
        f"def main(input): return deep({levels})"
    )

    outcome = await sandbox.run(
        CodeLanguage.PYTHON, source, None, timeout=timedelta(seconds=10), log=print
    )

    if levels == 100:
        assert isinstance(outcome, Ran), outcome
    else:
        assert outcome == CodeFailed(
            "code_error",
            "The result of `main` cannot be stored. The JSON exceeds the maximum depth of 100 levels.",
        )
