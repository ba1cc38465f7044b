"""Random plain data for templates to read."""

import random
from typing import Any

NUMBERS = [
    0, 1, 2, 3, 7, 10, 42, -1, -7, 1_000_000, 0.5, 1.5, -2.25, 3.14159, 0.0, 1.0, -3.0, 2**60, 1e16, 1e-7,
]  # fmt: skip
TEXTS = [
    "", "a", "b", "word", "two words", "0", "é", "日本", "😀 smile", "\ufb01", "<b>&\"'</b>", "{{input.a}}", "}}", "\\",
    "line\nline", "\ttab", "a,b", "true", "\u2028", "\x1f",
]  # fmt: skip
KEYS = [
    "a", "b", "c", "name", "items", "x-y", "_u", "$d", "é", "日", "two words", "a.b", "a/b", "a]b", "a\\b", "foo\\", "q'q", 'q"q',
    "x", "y", "i", "k", "length", "json", "if", "this", "else", "elsewhere", "else-x", "true", "null", "index", "@index", "..", "-",
    "do-this", "as", "lookup", "!", "{{", "name\nline", "constructor", "", "__proto__", "toString",
]  # fmt: skip
# JavaScript lists names that are integers first and in their order, so here they are written so.
INDEXES = ["0", "1", "2", "7", "10"]
_USUAL = 7
"""So many of the names at the start of `KEYS` are taken most of the time."""


def key(draw: random.Random) -> str:
    return draw.choice(KEYS[:_USUAL] if draw.random() < 0.6 else KEYS)


def value(draw: random.Random, depth: int = 3) -> Any:
    kind = draw.random()
    if depth == 0 or kind < 0.4:
        return _scalar(draw)
    if kind < 0.65:
        return [value(draw, depth - 1) for _ in range(draw.randrange(4))]
    if kind < 0.75:
        # Rows of one shape, as data often is.
        keys = [key(draw) for _ in range(2)]
        return [
            {each: value(draw, max(depth - 2, 0)) for each in keys}
            for _ in range(draw.randrange(1, 4))
        ]
    return fields(draw, depth)


def fields(draw: random.Random, depth: int, least: int = 0) -> dict[str, Any]:
    names = sorted(draw.sample(INDEXES, 2), key=int) if draw.random() < 0.1 else []
    names += [key(draw) for _ in range(draw.randrange(least, 5))]
    return {name: value(draw, depth - 1) for name in names}


def context(draw: random.Random) -> dict[str, Any]:
    """`input`, `vars`, `steps` and `run`."""
    given = fields(draw, 4, least=3)
    if draw.random() < 0.7:
        given["items"] = [_row(draw) for _ in range(draw.randrange(1, 4))]
    return {
        "input": given,
        "vars": {key(draw): _scalar(draw) for _ in range(2)},
        "steps": {
            name: {"status": "completed", "output": value(draw)}
            for name in draw.sample(["draft", "review", "s1"], 2)
        },
        "run": {"id": "r1", "trigger_type": "api"},
    }


def _row(draw: random.Random) -> dict[str, Any]:
    """An item with items of its own, for loops inside loops."""
    items = [_scalar(draw) for _ in range(draw.randrange(4))]
    return {"name": draw.choice(TEXTS), "items": items, key(draw): value(draw, 2)}


def _scalar(draw: random.Random) -> Any:
    kind = draw.random()
    if kind < 0.5:
        return draw.choice(TEXTS)
    if kind < 0.75:
        return draw.choice(NUMBERS)
    return draw.choice([True, False, None])
