"""Plain data as templates see it: members, truth, equality, text; and the meter that bounds the work."""

from enum import Enum
from typing import Final

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_number, is_object
from stepiq.language.templates.errors import TemplateLimit

MAX_OPERATIONS = 200_000
"""Most work one rendering does: tags written, items visited, values compared."""
MAX_OUTPUT_BYTES = 1024 * 1024
"""Longest text one rendering gives, in UTF-8."""
_CHARACTERS_PER_OPERATION = 64


class Missing(Enum):
    """The absence of a value, which is not null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Meter:
    """Counts the work of one rendering and stops it at the limit."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_OPERATIONS

    def spend(self, operations: int = 1) -> None:
        self._left -= operations
        if self._left < 0:
            raise TemplateLimit(
                f"The template does more than {MAX_OPERATIONS:,} operations. Loop over fewer items, or split the step."
            )

    def spend_text(self, length: int) -> None:
        """Charge for characters that are made or compared."""
        self.spend(1 + length // _CHARACTERS_PER_OPERATION)


def member(container: Json, key: str) -> Json:
    """What a key or an index names in a value, or `MISSING`. Only objects and lists have members."""
    if is_object(container):
        return container.get(key, MISSING)
    if is_array(container):
        if key == "length":
            return len(container)
        if key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < len(container):
            return container[int(key)]
    return MISSING


def truthy(value: Json, *, include_zero: bool = False) -> bool:
    """Handlebars' truth: missing, null, false, empty text, zero and an empty list are false; `{}` is true."""
    if value is MISSING or value is None or value is False or value == "":
        return False
    if is_number(value):
        return include_zero or value != 0
    return not is_array(value) or bool(value)


def same(left: Json, right: Json, meter: Meter) -> bool:
    """Equality of JSON values: `1` is `1.0` but is not `true`; objects are equal whatever their order."""
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        meter.spend()
        if is_array(a) and is_array(b):
            if len(a) != len(b):
                return False
            pairs.extend(zip(a, b, strict=True))
        elif is_object(a) and is_object(b):
            if a.keys() != b.keys():
                return False
            pairs.extend((item, b[key]) for key, item in a.items())
        elif not _same_scalar(a, b, meter):
            return False
    return True


def _same_scalar(a: Json, b: Json, meter: Meter) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        meter.spend_text(min(len(a), len(b)))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b


def to_json(value: Json, meter: Meter) -> str:
    """Compact JSON of a value."""
    text = dumps(value)
    meter.spend_text(len(text))
    return text


def to_text(value: Json, meter: Meter) -> str:
    """A value as a template writes it: text as it is, null as nothing, all else as compact JSON."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return ""
    return to_json(value, meter)
