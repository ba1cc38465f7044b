"""Parses JSON in a model's answer."""

import re

from stepiq.core import json
from stepiq.core.json import Json, MalformedJson

_FENCE = "```"
_LANGUAGE = re.compile(r"[A-Za-z0-9_-]*[ \t]*\r?")


def parse_json(text: str) -> tuple[Json, str | None]:
    """Parse JSON, with or without a code fence around it. Returns the value, and an error message if it is not JSON."""
    try:
        return json.loads(_unfenced(text).encode("utf-8", "surrogatepass")), None
    except MalformedJson as error:
        return None, error.message


def _unfenced(text: str) -> str:
    # A single pattern would search for the closing fence again from each blank.
    begun, _, body = text.strip().partition("\n")
    if not begun.startswith(_FENCE) or not body.endswith(_FENCE):
        return text
    if not _LANGUAGE.fullmatch(begun, len(_FENCE)):
        return text
    return body.removesuffix(_FENCE).rstrip(" \t").removesuffix("\n").removesuffix("\r")
