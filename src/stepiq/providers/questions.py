"""Puts a request into the words of the library that speaks the protocols."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stepiq.core import json
from stepiq.providers.base import ModelRequest

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as the library takes it."""

    messages: "list[ModelMessage]"
    settings: "ModelSettings"
    parameters: "ModelRequestParameters"


def turns(request: ModelRequest, *added: str | None) -> "list[ModelMessage]":
    """The conversation; `added` goes below the system prompt."""
    from pydantic_ai.messages import ModelRequest as Turn
    from pydantic_ai.messages import ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    messages: list[ModelMessage] = []
    if system_prompt := "\n\n".join(filter(None, [request.system_prompt, *added])):
        messages.append(Turn(parts=[SystemPromptPart(system_prompt)]))
    for message in request.messages:
        if message.role == "user":
            messages.append(Turn(parts=[UserPromptPart(message.text)]))
        else:
            messages.append(ModelResponse(parts=[TextPart(message.text)]))
    return messages


def settings(request: ModelRequest, *, takes_temperature: bool = True) -> "ModelSettings":
    """What all protocols have a field for."""
    chosen: ModelSettings = {}
    if request.idempotency_key:
        chosen["extra_headers"] = {"Idempotency-Key": request.idempotency_key}
    if request.temperature is not None and takes_temperature:
        chosen["temperature"] = request.temperature
    if request.max_tokens is not None:
        chosen["max_tokens"] = request.max_tokens
    return chosen


def plain() -> "ModelRequestParameters":
    """An answer of whatever form."""
    from pydantic_ai.models import ModelRequestParameters

    return ModelRequestParameters()


def shaped(schema: dict[str, Any], *, strict: bool | None = None) -> "ModelRequestParameters":
    """An answer that fits a schema, in the protocol's own field for that."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition

    output = OutputObjectDefinition(json_schema=schema, name="output", strict=strict)
    return ModelRequestParameters(output_mode="native", output_object=output)


def fits(schema: dict[str, Any]) -> str:
    """Asks in words for what cannot be asked for in a field of its own."""
    return f"Answer only with JSON that fits this JSON Schema: {json.dumps(schema)}"


def object_in_words(request: ModelRequest) -> str | None:
    """Asks for a JSON object, unless nothing is asked for or the word stands somewhere in the conversation."""
    said = [request.system_prompt or "", *(message.text for message in request.messages)]
    if not request.json_object or any("json" in text.lower() for text in said):
        return None
    return "Answer with a JSON object."


def size(request: ModelRequest) -> int:
    """How many characters are sent."""
    return len(request.system_prompt or "") + sum(len(message.text) for message in request.messages)
