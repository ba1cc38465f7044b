"""The parts of a request that are the same in all protocols."""

from collections.abc import Iterator
from typing import Any

from stepiq.core import json
from stepiq.providers.base import ModelRequest
from stepiq.providers.parts import FilePart, ReasoningPart, TextPart, ToolCall, ToolResult

_CALL_TOKENS = 512
"""Allowance for text that providers add to a request, such as instructions about JSON."""
_TEXT_TOKENS = 16
"""Allowance for the marks around a text."""


def system_prompt(request: ModelRequest, *added: str | None) -> str:
    """The system prompt with `added` appended; empty if there is none."""
    return "\n\n".join(filter(None, [request.system_prompt, *added]))


def fits(schema: dict[str, Any]) -> str:
    """The prompt text for a schema that cannot be sent in its own field."""
    return f"Answer only with JSON that fits this JSON Schema: {json.dumps(schema)}"


def object_in_words(request: ModelRequest) -> str | None:
    """The prompt text for a JSON object; None if none is requested or the conversation already contains "JSON"."""
    said = [request.system_prompt or "", *(message.text for message in request.messages)]
    if not request.json_object or any("json" in text.lower() for text in said):
        return None
    return "Answer with a JSON object."


def most_tokens(request: ModelRequest) -> int:
    """The most tokens that a provider can count for a request, without addresses of files that it fetches itself.

    Tokenizers divide a text into pieces of at least one byte of UTF-8, so a text has at most one token for each byte.
    Providers add marks around texts, and instructions, for example about JSON.
    """
    texts = list(_texts(request))
    size = sum(len(text.encode(errors="replace")) for text in texts)
    return size + _TEXT_TOKENS * len(texts) + _CALL_TOKENS


def _texts(request: ModelRequest) -> Iterator[str]:
    """Everything that the model can get."""
    yield request.system_prompt or ""
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart(text) | ToolResult(text=text):
                    yield text
                case ToolCall(name=name, arguments=arguments):
                    yield name + json.dumps(arguments)
                case ReasoningPart(text, details):
                    yield text + json.dumps(dict(details))
                case FilePart(url):
                    yield url
    for tool in request.tools:
        yield tool.name + tool.description + json.dumps(tool.input_schema)
    if request.json_schema is not None:
        yield json.dumps(request.json_schema)
