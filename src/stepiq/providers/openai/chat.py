"""Speaks OpenAI's Chat Completions API, to OpenAI and to compatible servers.

https://platform.openai.com/docs/api-reference/chat/create

OpenAI guarantees a subset of JSON Schema for an answer (`strict`):
https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

from stepiq.core import json
from stepiq.providers import questions
from stepiq.providers.answers import StreamedAnswer
from stepiq.providers.base import ModelRequest
from stepiq.providers.connection import ProviderConnection
from stepiq.providers.failures import Hide, explain_reply, file_refused, unreadable
from stepiq.providers.openai.answer import ENDINGS, ChatAnswer
from stepiq.providers.parts import FilePart, Message, TextPart, Tool, ToolCall, ToolResult
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply

_KEYWORDS = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "definitions",
        "description",
        "enum",
        "items",
        "properties",
        "required",
        "type",
    }
)
"""Later models guarantee more, such as `minimum` and `pattern`. The name of a model does not say which ones do."""

_REFERENCE = re.compile(r"#(/(\$defs|definitions)/[^/]+)?")
"""OpenAI resolves only references to the whole schema and to definitions at its top level."""

_KINDS = frozenset({"$ref", "anyOf", "type"})
"""Each schema needs one of these, even if it has `const` or `enum`."""


def is_strict(schema: dict[str, Any]) -> bool:
    """Whether OpenAI accepts and guarantees this schema. With another one, it rejects a strict request."""
    return schema.get("type") == "object" and "anyOf" not in schema and _fits(schema)


def _fits(schema: object) -> bool:
    if not isinstance(schema, dict):
        return False
    given = cast("dict[str, Any]", schema)
    if not _KEYWORDS.issuperset(given):
        return False
    if not _is_complete(given):
        return False
    inner: list[object] = []
    for name in ("properties", "$defs", "definitions"):
        if name in given:
            if not isinstance(named := given[name], dict):
                return False
            inner.extend(cast("dict[str, object]", named).values())
    if "anyOf" in given:
        if not isinstance(options := given["anyOf"], list):
            return False
        inner.extend(cast("list[object]", options))
    if "items" in given:
        inner.append(given["items"])
    return all(map(_fits, inner))


def _is_complete(schema: dict[str, Any]) -> bool:
    """Whether the schema is only a reference, or has a type and the content of an object or an array."""
    if "$ref" in schema:
        return len(schema) == 1 and _REFERENCE.fullmatch(str(schema["$ref"])) is not None
    types = schema.get("type")
    names = cast("list[object]", types) if isinstance(types, list) else [types]
    if ("object" in names or "properties" in schema) and not _is_closed(schema):
        return False
    return not _KINDS.isdisjoint(schema) and ("array" not in names or "items" in schema)


def _is_closed(schema: dict[str, Any]) -> bool:
    names = schema.get("properties", {})
    required = schema.get("required", [])
    return (
        schema.get("additionalProperties") is False
        and isinstance(names, dict)
        and isinstance(required, list)
        and set(cast("dict[str, Any]", names)) == set(map(str, cast("list[object]", required)))
    )


if TYPE_CHECKING:
    import httpx2

_WITHOUT_SCHEMAS = re.compile(r"gpt-3|gpt-4($|-)|gpt-4o-2024-05-13|chatgpt-4o|o1-(mini|preview)")
"""OpenAI's models that reject a schema with status 400."""
_REASONING = re.compile(r"o[134]|gpt-[5-9]")
"""OpenAI's models that reason. While they do, they reject a temperature with status 400."""
_REASONING_ON_REQUEST = re.compile(
    r"gpt-5-chat|gpt-5\.1(?!-(codex|chat))|gpt-5\.2(?!-(pro|chat))|gpt-5\.3(?!-chat)|gpt-5\.4(?!-pro)"
)
"""Those that reason only on request."""
_PATH = "/chat/completions"
_NO_STREAMS = frozenset({"text/html", "application/json"})
"""Other types are accepted, because some servers name the type of a stream wrongly."""


class ChatConnection(ProviderConnection):
    """Connection to a compatible server. It uses only what any such server is assumed to know.

    Subclasses adapt it to certain providers.
    """

    says_why = False
    endings: ClassVar[Mapping[str, str]] = ENDINGS
    """Finish reasons, with those of `base.Finished`."""
    limit_field: ClassVar[str] = "max_tokens"
    """The field for the most tokens of an answer."""
    asks_for_usage: ClassVar[bool] = True
    """Whether the server reports tokens only on request."""
    knows_strict: ClassVar[bool] = False
    """Whether the server knows the field that asks it to guarantee a schema."""

    @asynccontextmanager
    async def answer(
        self, name: str, request: ModelRequest, place: FailurePlace, hide: Hide
    ) -> AsyncGenerator[StreamedAnswer]:
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
        }
        if request.idempotency_key:
            headers["idempotency-key"] = request.idempotency_key
        sent = self.http.build_request(
            "POST",
            f"{self.endpoint.base_url}{_PATH}",
            content=json.dumps(self.body(name, request)),
            headers=headers,
        )
        response = await self.http.send(sent, stream=True)
        try:
            if not response.is_success:
                said = (await response.aread()).decode(errors="replace")
                reply = ProviderReply.read(response.status_code, response.headers, said)
                raise explain_reply(reply, place, hide)
            if (media_type := _media_type(response)) in _NO_STREAMS:
                # Such as the page of a wrong address.
                raise unreadable(f"It is `{media_type}`, not `text/event-stream`.", place, hide)
            yield ChatAnswer(
                response, place, hide, self.endings, has_tags=self.endpoint.has_thought_tags
            )
        finally:
            await response.aclose()

    def body(self, name: str, request: ModelRequest) -> dict[str, Any]:
        """The body of the request."""
        body: dict[str, Any] = {"model": name, "stream": True}
        if self.asks_for_usage:
            body["stream_options"] = {"include_usage": True}
        if request.temperature is not None and _takes_temperature(name):
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            body[self.limit_field] = request.max_tokens
        schema = request.json_schema
        added = None
        if schema is not None and self.takes_schema(name, schema):
            body["response_format"] = {"type": "json_schema", "json_schema": self._shape(schema)}
        elif schema is not None:
            added = questions.fits(schema)
        elif request.json_object:
            body["response_format"] = {"type": "json_object"}
            # OpenAI returns 400 for that unless the conversation contains the word "JSON".
            added = questions.object_in_words(request)
        place = self.endpoint.place.of(name)
        body["messages"] = list(self._turns(request, added, place))
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
        return body

    def file(self, part: FilePart, place: FailurePlace) -> dict[str, Any]:
        """A file other than an image, as a part of a message.

        Raises:
            ProviderError: the provider does not accept it.
        """
        raise file_refused(part.media_type, place, "Send images, or use another `model`.")

    def takes_schema(self, name: str, schema: dict[str, Any]) -> bool:
        """Whether the model accepts this schema in its own field."""
        return True

    def _turns(
        self, request: ModelRequest, added: str | None, place: FailurePlace
    ) -> Iterator[dict[str, Any]]:
        if system_prompt := questions.system_prompt(request, added):
            yield {"role": "system", "content": system_prompt}
        for message in request.messages:
            if message.role == "assistant":
                yield _answer(message)
                continue
            for part in message.parts:
                if isinstance(part, ToolResult):
                    yield _result(part)
            if any(not isinstance(part, ToolResult) for part in message.parts):
                yield {"role": "user", "content": self._content(message, place)}

    def _content(self, message: Message, place: FailurePlace) -> str | list[dict[str, Any]]:
        if not any(isinstance(part, FilePart) for part in message.parts):
            return message.text
        content: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, TextPart):
                content.append({"type": "text", "text": part.text})
            elif isinstance(part, FilePart) and part.is_image:
                content.append({"type": "image_url", "image_url": {"url": part.url}})
            elif isinstance(part, FilePart):
                content.append(self.file(part, place))
        return content

    def _shape(self, schema: dict[str, Any]) -> dict[str, Any]:
        shape: dict[str, Any] = {"name": "output", "schema": schema}
        if self.knows_strict:
            shape["strict"] = is_strict(schema)
        return shape


class OpenAIConnection(ChatConnection):
    """Connection to OpenAI, or to a gateway that passes everything on to it. Uses OpenAI's newer fields."""

    limit_field = "max_completion_tokens"
    knows_strict = True

    def takes_schema(self, name: str, schema: dict[str, Any]) -> bool:
        # Only objects, and not with the oldest models. The caller validates the answer in any case.
        return schema.get("type") == "object" and not _WITHOUT_SCHEMAS.match(name)

    def file(self, part: FilePart, place: FailurePlace) -> dict[str, Any]:
        if not part.is_embedded:
            raise file_refused(part.media_type, place, "Send its content instead of an address.")
        return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def _media_type(response: "httpx2.Response") -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _takes_temperature(name: str) -> bool:
    return not _REASONING.match(name) or bool(_REASONING_ON_REQUEST.match(name))


def _answer(message: Message) -> dict[str, Any]:
    """An answer of the model. Thoughts are not sent back: these servers do not need them."""
    turn: dict[str, Any] = {"role": "assistant", "content": message.text}
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        turn["content"] = message.text or None
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in calls
        ]
    return turn


def _result(result: ToolResult) -> dict[str, Any]:
    # The protocol has no field for failures.
    text = f"Error: {result.text}" if result.is_error else result.text
    return {"role": "tool", "tool_call_id": result.call_id, "content": text}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
    }
    return {"type": "function", "function": function}


class MistralConnection(ChatConnection):
    """Connection to Mistral, or to a gateway in front of it."""

    says_why = True
    endings: ClassVar[Mapping[str, str]] = {**ENDINGS, "model_length": "length", "error": "error"}
    # It rejects the field, and reports tokens without it.
    asks_for_usage = False
    knows_strict = True

    def file(self, part: FilePart, place: FailurePlace) -> dict[str, Any]:
        return {"type": "document_url", "document_url": part.url, "document_name": part.name}


class ZaiConnection(ChatConnection):
    """Connection to Z.ai, or to a gateway in front of it."""

    says_why = True
    # https://docs.z.ai/api-reference/llm/chat-completion
    endings: ClassVar[Mapping[str, str]] = {
        **ENDINGS,
        "sensitive": "content_filter",
        "model_context_window_exceeded": "length",
        "network_error": "error",
    }

    def body(self, name: str, request: ModelRequest) -> dict[str, Any]:
        # Price lists use GLM-4.5-Air, but Z.ai uses glm-4.5-air.
        body = super().body(name.lower(), request)
        schema = request.json_schema
        if schema is not None and schema.get("type") == "object":
            # The prompt contains the schema; the field ensures that the answer is an object.
            body["response_format"] = {"type": "json_object"}
        return body

    def takes_schema(self, name: str, schema: dict[str, Any]) -> bool:
        return False
