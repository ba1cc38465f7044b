"""Removes API keys, which providers may repeat, and characters that cannot be stored from text."""

import re

_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|key|AIza)[-_][A-Za-z0-9_\-*.…]{6,}|\bAIza[A-Za-z0-9_\-]{10,}"
)
_PRINTED = re.compile(r"\S+")
_STARS = "***"
_WORD = re.compile(r"[^\s\"'`<>,;()\[\]{}]+")
_PIECE = 6

MASK = "[key]"


def mask(text: str, key: str | None) -> str:
    """Mask the key, recognisable parts of it, and anything that looks like a key.

    Providers shorten a key to a form such as `sk-ab*****wxyz`. Any word that shares six consecutive characters with the
    key is masked, too.
    """
    if key:
        text = text.replace(key, MASK)
    # A pattern for the stars themselves would scan a long word again from each of its characters.
    text = _PRINTED.sub(_without_stars, _SHAPES.sub(MASK, text))
    if not key or len(key) < _PIECE:
        return text
    pieces = {key[at : at + _PIECE] for at in range(len(key) - _PIECE + 1)}
    return _WORD.sub(lambda word: MASK if _shares(word.group(), pieces) else word.group(), text)


def _without_stars(word: re.Match[str]) -> str:
    return MASK if _STARS in word.group() else word.group()


def _shares(word: str, pieces: set[str]) -> bool:
    return any(word[at : at + _PIECE] in pieces for at in range(len(word) - _PIECE + 1))
