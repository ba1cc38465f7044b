"""Reading JSON out of a model's answer."""

import re

from stepiq.core import json
from stepiq.core.json import Json, MalformedJson

_FENCED = re.compile(r"\A\s*```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```\s*\Z", re.DOTALL)


def parse_json(text: str) -> tuple[Json, str | None]:
    """The value that a text holds, code fences around it tolerated, and what is wrong with it if it holds none."""
    fenced = _FENCED.match(text)
    body = fenced.group(1) if fenced else text
    try:
        return json.loads(body.encode("utf-8", "surrogatepass")), None
    except MalformedJson as error:
        return None, error.message
