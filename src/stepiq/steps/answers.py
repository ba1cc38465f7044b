"""Reading JSON out of a model's answer."""

import re

from stepiq.core import json
from stepiq.core.json import Json, MalformedJson

_FENCE = "```"
_LANGUAGE = re.compile(r"[A-Za-z0-9_-]*[ \t]*\r?")


def parse_json(text: str) -> tuple[Json, str | None]:
    """The value that a text holds, code fences around it tolerated, and what is wrong with it if it holds none."""
    try:
        return json.loads(_unfenced(text).encode("utf-8", "surrogatepass")), None
    except MalformedJson as error:
        return None, error.message


def _unfenced(text: str) -> str:
    # One pattern for all of it would look for the closing fence anew from each blank.
    begun, _, body = text.strip().partition("\n")
    if not begun.startswith(_FENCE) or not body.endswith(_FENCE):
        return text
    if not _LANGUAGE.fullmatch(begun, len(_FENCE)):
        return text
    return body.removesuffix(_FENCE).rstrip(" \t").removesuffix("\n").removesuffix("\r")
