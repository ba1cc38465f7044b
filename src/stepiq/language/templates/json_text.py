"""Compact JSON in small batches, since the encoder blocks all threads while it runs."""

import re

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_array, is_object, is_whole
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
