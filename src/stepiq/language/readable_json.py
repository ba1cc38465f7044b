"""Renders JSON for people, with line breaks. This takes long: the standard library writes line breaks in Python only."""

import json
from collections.abc import Iterable
from itertools import chain, islice

from stepiq.core.concurrency import pauses
from stepiq.core.json import Json
from stepiq.language import offload

_ENCODER = json.JSONEncoder(ensure_ascii=False, indent=2)
_INLINE_PIECES = 1_000
"""Most numbers, names, brackets and so on that are rendered on the event loop; about half a millisecond."""


async def render(value: Json, longest: int | None = None) -> str:
    """Render a value, with exact numbers: inline if it is small, otherwise in a thread, so a transaction can be open.

    Rendering stops when the text has more than `longest` characters.
    """
    pieces = _ENCODER.iterencode(value)
    begun = list(islice(pieces, _INLINE_PIECES))
    if len(begun) < _INLINE_PIECES:
        return "".join(begun)
    return await offload.compute_apart(_joined, chain(begun, pieces), longest)


def _joined(pieces: Iterable[str], longest: int | None) -> str:
    kept: list[str] = []
    length = 0
    for piece in pieces:
        pauses.pause_if_due()
        kept.append(piece)
        length += len(piece)
        if longest is not None and length > longest:
            break
    return "".join(kept)
