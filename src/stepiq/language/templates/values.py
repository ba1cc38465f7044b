"""How templates treat plain data: members, truth, equality and text."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_number, is_object, is_whole
from stepiq.language.templates.meter import RenderMeter

AT_ONCE = 500
"""Most values encoded in one call, about 0.05 ms. A long text counts as several."""
_CHARACTERS_PER_VALUE = 128
_VALUES_PER_OPERATION = 3
_WHOLE_DOUBLE = re.compile(r"\.0(?![0-9])")


def to_json(value: Json, meter: RenderMeter) -> str:
    """Encode a value as compact JSON; the work is charged in advance."""
    pieces: list[str] = []
    _write(value, _weigh(value), pieces, meter)
    return "".join(pieces)


def _write(value: Json, weight: int, pieces: list[str], meter: RenderMeter) -> None:
    if weight <= AT_ONCE or isinstance(value, str):
        _encode(value, weight, pieces, meter)
        return
    meter.spend(AT_ONCE // _VALUES_PER_OPERATION)
    pieces.append("{" if is_object(value) else "[")
    batch = _Batch(pieces, meter, is_object=is_object(value))
    if is_object(value):
        for name, item in value.items():
            batch.add(name, item)
    else:
        assert isinstance(value, list)  # noqa: S101 - other values weigh less
        for item in value:
            batch.add("", item)
    batch.flush()
    pieces.append("}" if is_object(value) else "]")


class _Batch:
    """Collects members of one object or list to encode together, in order."""

    def __init__(self, pieces: list[str], meter: RenderMeter, *, is_object: bool) -> None:
        self._pieces = pieces
        self._meter = meter
        self._is_object = is_object
        self._is_first = True
        self._names: list[str] = []
        self._items: list[Json] = []
        self._weight = 0

    def add(self, name: str, item: Json) -> None:
        weight = _weigh(item)
        if self._weight + weight > AT_ONCE:
            self.flush()
        if weight > AT_ONCE:
            self._separate()
            if self._is_object:
                self._pieces.append(dumps(name) + ":")
            _write(item, weight, self._pieces, self._meter)
            return
        self._names.append(name)
        self._items.append(item)
        self._weight += weight + len(name) // _CHARACTERS_PER_VALUE

    def flush(self) -> None:
        """Encode the collected members."""
        if not self._items:
            return
        self._separate()
        items = self._items
        together = dict(zip(self._names, items, strict=True)) if self._is_object else items
        _encode(together, self._weight, self._pieces, self._meter)
        self._pieces[-1] = self._pieces[-1][1:-1]
        self._names, self._items, self._weight = [], [], 0

    def _separate(self) -> None:
        if not self._is_first:
            self._pieces.append(",")
        self._is_first = False


def _encode(value: Json, weight: int, pieces: list[str], meter: RenderMeter) -> None:
    meter.spend(weight // _VALUES_PER_OPERATION)
    if isinstance(value, str):
        meter.spend_text(len(value))
        pieces.append(dumps(value))
        return
    text = dumps(value)
    if _WHOLE_DOUBLE.search(text):
        text = dumps(_without_fractions(value))
    meter.spend_text(len(text))
    pieces.append(text)


def _without_fractions(value: Json) -> Json:
    """Convert doubles such as `10.0` to integers, as expressions and Handlebars write them."""
    if is_array(value):
        return [_without_fractions(item) for item in value]
    if is_object(value):
        return {name: _without_fractions(item) for name, item in value.items()}
    return int(value) if isinstance(value, float) and is_whole(value) else value


def _weigh(value: Json) -> int:
    """The number of values in a value; counting stops above `AT_ONCE`."""
    if isinstance(value, str):
        return 1 + len(value) // _CHARACTERS_PER_VALUE
    if not is_array(value) and not is_object(value):
        return 1
    weight = 1
    pending: list[Json] = [value]
    while pending and weight <= AT_ONCE:
        item = pending.pop()
        if isinstance(item, str):
            weight += len(item) // _CHARACTERS_PER_VALUE
        elif is_array(item):
            weight += len(item)
            if weight <= AT_ONCE:
                pending.extend(item)
        elif is_object(item):
            weight += len(item)
            if weight <= AT_ONCE:
                weight += sum(map(len, item)) // _CHARACTERS_PER_VALUE
                pending.extend(item.values())
        if weight > AT_ONCE:
            break
    return weight


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
