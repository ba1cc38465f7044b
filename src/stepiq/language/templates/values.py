"""How templates treat plain data: members, truth, equality and text."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_number, is_object
from stepiq.language.templates.json_text import to_json
from stepiq.language.templates.meter import RenderMeter

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class Missing(Enum):
    """The absence of a value, which is not null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

Found = Json | Missing
"""A value, or the absence of one."""


def present(value: Found) -> Json:
    """A value that is never missing, because its evaluation does not tolerate it."""
    assert value is not MISSING  # noqa: S101 - the evaluation would have failed
    return value


def member(container: Found, key: str) -> Found:
    """The value at a key or an index, or `MISSING`. Only objects and lists have members."""
    if is_object(container):
        return container.get(key, MISSING)
    if is_array(container):
        if key == "length":
            return len(container)
        if _INDEX.fullmatch(key) and int(key) < len(container):
            return container[int(key)]
    return MISSING


def truthy(value: Found, *, include_zero: bool = False) -> bool:
    """Handlebars' truth: missing, null, false, empty text, zero and an empty list are false; `{}` is true."""
    if value is MISSING or value is None or value is False or value == "":
        return False
    if is_number(value):
        return include_zero or value != 0
    return not is_array(value) or bool(value)


def same(left: Found, right: Found, meter: RenderMeter) -> bool:
    """Equality of JSON values: `1` equals `1.0` but not `true`; the order of an object's fields does not matter."""
    # Iterators, since a list of the pairs of a large value would be created in one uninterruptible call.
    pending: list[Iterator[tuple[Found, Found]]] = [iter([(left, right)])]
    while pending:
        pair = next(pending[-1], None)
        if pair is None:
            pending.pop()
            continue
        meter.spend()
        a, b = pair
        if is_array(a) and is_array(b) and len(a) == len(b):
            pending.append(zip(a, b, strict=True))
        elif is_object(a) and is_object(b) and len(a) == len(b):
            pending.append(_paired(a, b))
        elif not _same_scalar(a, b, meter):
            return False
    return True


def _paired(a: dict[str, Json], b: dict[str, Json]) -> Iterator[tuple[Found, Found]]:
    return ((item, b.get(key, MISSING)) for key, item in a.items())


def _same_scalar(a: Found, b: Found, meter: RenderMeter) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        meter.spend_text(min(len(a), len(b)))
    if isinstance(a, bool | list | dict) or isinstance(b, bool | list | dict):
        return a is b
    return a == b


def to_text(value: Json, meter: RenderMeter) -> str:
    """A value as template output: text unchanged, null as an empty text, everything else as compact JSON."""
    if isinstance(value, str):
        meter.spend_text(len(value))
        return value
    if value is None or value is MISSING:
        return ""
    return to_json(value, meter)
