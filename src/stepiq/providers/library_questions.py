"""Converts requests to the types of the library that implements the protocols of Anthropic and Google."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stepiq.providers import questions
from stepiq.providers.base import ModelRequest

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Question:
    """A request in the library's types."""

    messages: "list[ModelMessage]"
    settings: "ModelSettings"
    parameters: "ModelRequestParameters"


def turns(request: ModelRequest, *added: str | None) -> "list[ModelMessage]":
    """The conversation, with `added` appended to the system prompt."""
    from pydantic_ai.messages import ModelRequest as Turn
    from pydantic_ai.messages import ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    messages: list[ModelMessage] = []
    if system_prompt := questions.system_prompt(request, *added):
        messages.append(Turn(parts=[SystemPromptPart(system_prompt)]))
    for message in request.messages:
        if message.role == "user":
            messages.append(Turn(parts=[UserPromptPart(message.text)]))
        else:
            messages.append(ModelResponse(parts=[TextPart(message.text)]))
    return messages


def settings(request: ModelRequest, *, takes_temperature: bool = True) -> "ModelSettings":
    """The settings that all protocols support."""
    chosen: ModelSettings = {}
    if request.idempotency_key:
        chosen["extra_headers"] = {"Idempotency-Key": request.idempotency_key}
    if request.temperature is not None and takes_temperature:
        chosen["temperature"] = request.temperature
    if request.max_tokens is not None:
        chosen["max_tokens"] = request.max_tokens
    return chosen


def plain() -> "ModelRequestParameters":
    """Parameters for an answer in any format."""
    from pydantic_ai.models import ModelRequestParameters

    return ModelRequestParameters()


def shaped(schema: dict[str, Any], *, strict: bool | None = None) -> "ModelRequestParameters":
    """Parameters for an answer that fits a schema, sent in the protocol's own field."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition

    output = OutputObjectDefinition(json_schema=schema, name="output", strict=strict)
    return ModelRequestParameters(output_mode="native", output_object=output)
