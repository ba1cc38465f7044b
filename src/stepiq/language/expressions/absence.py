"""Messages for expressions that read a missing value."""

from typing import NoReturn

from stepiq.language.expressions.nodes import write_path
from stepiq.language.expressions.values import (
    EvaluationFailure,
    Optional,
    PlaceholderIndex,
    Value,
    is_list,
    is_map,
    key_of,
    kind_of,
)

_LOOP_NAMES = ("item", "index")
LENGTH_WORDS = ("length", "size", "count", "len")
_MAX_SHOWN = 80


def may_have(value: Value, key: Value) -> bool:
    """Whether a value of this kind could have such a key or index, so that optional access may find nothing."""
    return is_map(value) or (is_list(value) and isinstance(key_of(key), int))


def fail_root(root: str) -> NoReturn:
    """Fail because a root such as `item` is missing."""
    if root in _LOOP_NAMES:
        raise EvaluationFailure(f"`{root}` exists only inside a `for_each`.")
    raise EvaluationFailure(f"`{root}` is not available here.")


def fail_absent(
    text: str | None, value: Value, key: Value, *, is_computed: bool = False
) -> NoReturn:
    """Fail because a value lacks a key or an index.

    Args:
        text: the value as written, if it is a path.
        value: the value that lacks it.
        key: the key or index.
        is_computed: whether the key is computed; it is then not shown.
    """
    if type(value) is Optional:
        value = value.value
    holder = "a value" if text is None else f"`{text[:_MAX_SHOWN]}`"
    place = "…" if text is None else text[:_MAX_SHOWN]
    if is_list(value):
        raise EvaluationFailure(_describe_list(holder, place, key, is_computed=is_computed))
    if value is not None and not is_map(value):
        is_length = type(value) is str and key in LENGTH_WORDS
        advice = f" Its length is `size({place})`." if is_length else ""
        raise EvaluationFailure(f"{holder} is {kind_of(value)}, which has no fields.{advice}")
    part = "such key" if is_computed else f"`{str(key)[:_MAX_SHOWN]}`"
    reason = f"is null, which has no {part}" if value is None else f"has no {part}"
    raise EvaluationFailure(
        f"{holder} {reason}. {_advise(place, value, key, is_computed=is_computed)}"
    )


def _advise(place: str, value: Value, key: Value, *, is_computed: bool) -> str:
    if type(key) is PlaceholderIndex:
        if value is None:
            return f"If it may be null, write `{place} != null ? … : …`."
        key = str(key)
    elif value.__class__ is dict and isinstance(key_of(key), int):
        written = "string(key)" if is_computed else f"'{key}'"
        return f"The names of its fields are strings: `{place}[{written}]`."
    written = "[key]" if is_computed else write_path("", (key,))[: _MAX_SHOWN + 1]
    if written.startswith("["):
        return f"If it may be absent, write `{place}[?{written[1:]}.orValue(…)`."
    name = written[1:]
    return f"If it may be absent, write `has({place}.{name})` or `{place}.?{name}.orValue(…)`."


def _describe_list(holder: str, place: str, key: Value, *, is_computed: bool) -> str:
    if isinstance(key_of(key), int):
        shown, written = ("such item", "index") if is_computed else (f"item {key}", key)
        return (
            f"{holder} has no {shown}. If it may be absent, write `{place}[?{written}].orValue(…)`."
        )
    if key in LENGTH_WORDS and not is_computed:
        return f"{holder} is a list, which has no fields. Its length is `size({place})`."
    return (
        f"{holder} is a list, which has no fields. Use an item, such as `{place}[0]`, or all of them: "
        f"`{place}.map(x, x.name)`."
    )
