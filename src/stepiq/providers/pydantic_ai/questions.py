"""Converts requests to the types of the library that implements the protocols of Anthropic and Google."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stepiq.providers import questions
from stepiq.providers.base import ModelRequest
from stepiq.providers.parts import (
    FilePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCall,
    ToolResult,
)

if TYPE_CHECKING:
    from pydantic_ai.messages import (
        ModelMessage,
        ModelRequestPart,
        ModelResponsePart,
        UserContent,
    )
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.tools import ToolDefinition


@dataclass(frozen=True, slots=True)
class Question:
    """A request in the library's types."""

    messages: "list[ModelMessage]"
    settings: "ModelSettings"
    parameters: "ModelRequestParameters"


def turns(request: ModelRequest, *added: str | None) -> "list[ModelMessage]":
    """The conversation, with `added` appended to the system prompt.

    Raises:
        ValueError: an embedded file is not valid base64.
    """
    from pydantic_ai.messages import ModelRequest as Turn
    from pydantic_ai.messages import ModelResponse, SystemPromptPart

    messages: list[ModelMessage] = []
    if system_prompt := questions.system_prompt(request, *added):
        messages.append(Turn(parts=[SystemPromptPart(system_prompt)]))
    for message in request.messages:
        if message.role == "user":
            messages.append(Turn(parts=_user_parts(message)))
        else:
            messages.append(ModelResponse(parts=_answer_parts(message)))
    return messages


def _user_parts(message: Message) -> "list[ModelRequestPart]":
    from pydantic_ai.messages import (
        BinaryContent,
        DocumentUrl,
        ImageUrl,
        ToolReturnPart,
        UserPromptPart,
    )

    parts: list[ModelRequestPart] = []
    content: list[UserContent] = []
    for part in message.parts:
        match part:
            case ToolResult():
                parts.append(
                    ToolReturnPart(
                        part.name,
                        part.text,
                        part.call_id,
                        outcome="failed" if part.is_error else "success",
                    )
                )
            case TextPart(text):
                content.append(text)
            case FilePart() if part.is_embedded:
                content.append(BinaryContent(part.content, media_type=part.media_type))
            case FilePart():
                address = ImageUrl if part.is_image else DocumentUrl
                content.append(address(part.url, media_type=part.media_type))
            case _:
                pass
    if content:
        texts = [each for each in content if isinstance(each, str)]
        # A list is only needed for files.
        parts.append(UserPromptPart("".join(texts) if len(texts) == len(content) else content))
    return parts


def _answer_parts(message: Message) -> "list[ModelResponsePart]":
    from pydantic_ai.messages import TextPart as Text
    from pydantic_ai.messages import ThinkingPart, ToolCallPart

    parts: list[ModelResponsePart] = []
    for part in message.parts:
        match part:
            case TextPart(text):
                parts.append(Text(text))
            case ReasoningPart():
                parts.append(ThinkingPart(part.text, **part.details))
            case ToolCall():
                parts.append(ToolCallPart(part.name, part.arguments, part.id, **part.details))
            case _:
                pass
    return parts


def tools(request: ModelRequest) -> "list[ToolDefinition]":
    """The tools that the model can call."""
    from pydantic_ai.tools import ToolDefinition

    return [
        ToolDefinition(
            name=each.name,
            description=each.description,
            parameters_json_schema=each.input_schema,
        )
        for each in request.tools
    ]


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


def plain(request: ModelRequest) -> "ModelRequestParameters":
    """Parameters for an answer in any format."""
    from pydantic_ai.models import ModelRequestParameters

    return ModelRequestParameters(function_tools=tools(request))


def shaped(request: ModelRequest, schema: dict[str, Any]) -> "ModelRequestParameters":
    """Parameters for an answer that fits a schema, sent in the protocol's own field."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition

    output = OutputObjectDefinition(json_schema=schema, name="output")
    return ModelRequestParameters(
        function_tools=tools(request), output_mode="native", output_object=output
    )
