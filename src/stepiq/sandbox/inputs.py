"""Encodes the input of a code step without blocking the event loop."""

import asyncio
from collections.abc import Iterator
from typing import cast

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.sandbox.limits import MAX_INPUT_BYTES

_APART = 4
"""Levels whose entries are encoded one by one: `steps.<id>.output` is the third."""
_BREATH_BYTES = 262_144
_BREATH_PIECES = 2_000


class InputTooLarge(Exception):
    """The JSON is longer than `MAX_INPUT_BYTES`."""


async def encode(value: Json) -> bytes:
    """Encode `value` as JSON. Yields to other tasks in between.

    Raises:
        InputTooLarge: longer than `MAX_INPUT_BYTES`.
        ValueError: NaN, Infinity, or text that is not valid Unicode.
    """
    written = bytearray()
    breath = _BREATH_BYTES
    for count, piece in enumerate(_pieces(value, _APART)):
        written += piece.encode()
        if len(written) > MAX_INPUT_BYTES:
            raise InputTooLarge
        if len(written) > breath or count % _BREATH_PIECES == _BREATH_PIECES - 1:
            breath = len(written) + _BREATH_BYTES
            await asyncio.sleep(0)
    return bytes(written)


def _pieces(value: Json, apart: int) -> Iterator[str]:
    if apart and isinstance(value, dict) and value:
        yield from _object(cast("dict[str, Json]", value), apart)
    elif apart and isinstance(value, list) and value:
        yield from _array(cast("list[Json]", value), apart)
    else:
        yield json.dumps(value)


def _object(value: dict[str, Json], apart: int) -> Iterator[str]:
    before = "{"
    for name, item in value.items():
        yield f"{before}{json.dumps(name)}:"
        yield from _pieces(item, apart - 1)
        before = ","
    yield "}"


def _array(value: list[Json], apart: int) -> Iterator[str]:
    before = "["
    for item in value:
        yield before
        yield from _pieces(item, apart - 1)
        before = ","
    yield "]"
