"""The parts of a request that are the same in all protocols."""

from typing import Any

from stepiq.core import json
from stepiq.providers.base import ModelRequest
from stepiq.providers.parts import TextPart, ToolCall, ToolResult


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


def size(request: ModelRequest) -> int:
    """The number of characters in the request's texts, with calls of tools and their results. Without files."""
    size = len(request.system_prompt or "")
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart(text) | ToolResult(text=text):
                    size += len(text)
                case ToolCall(name=name, arguments=arguments):
                    size += len(name) + len(json.dumps(arguments))
                case _:
                    pass
    for tool in request.tools:
        size += len(tool.name) + len(tool.description) + len(json.dumps(tool.input_schema))
    return size
