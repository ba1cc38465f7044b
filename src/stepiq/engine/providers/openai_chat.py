"""Speaks Chat Completions: OpenAI itself, and every server that imitates it."""

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stepiq.core import json
from stepiq.core.http import USER_AGENT, Client, operator_client
from stepiq.engine.providers.base import (
    Delta,
    Finished,
    ModelRequest,
    Progress,
    ProviderError,
    Usage,
)
from stepiq.engine.providers.failures import Place, broken_off, explain
from stepiq.engine.providers.masking import storable

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters, StreamedResponse
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings

_SENT_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "user-agent",
    }
)
_WITHOUT_SCHEMAS = re.compile(r"gpt-3|gpt-4($|-)|gpt-4o-2024-05-13|chatgpt-4o|o1-(mini|preview)")
"""OpenAI's models that answer 400 to a schema."""

_KEPT_MODELS = 100
"""Tenants name models freely, so not every name may stay in memory."""

_OPENAI_HEADERS = frozenset({"openai-organization", "openai-project"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server and how to be let in."""

    place: Place
    base_url: str
    api_key: str | None = field(repr=False)
    is_openai: bool = False
    """Takes OpenAI's own fields: strict schemas, `max_completion_tokens`, organisation headers."""
    is_own: bool = False
    """The key is an account's, not the operator's: nothing else of the operator's goes with it."""
    keeps_connections: bool = True
    """False for a server that closes a connection without a word, so that the next call on it would fail."""


class ChatConnection:
    """One endpoint's HTTP connections, shared by all its models."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http: Client | None = None
        self._sdk: AsyncOpenAI | None = None
        self._models: OrderedDict[str, OpenAIChatModel] = OrderedDict()

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        if self._http is not None:
            await self._http.aclose()
        self._http = self._sdk = None
        self._models.clear()

    def model(self, name: str) -> "OpenAIChatModel":
        """The library's object for one model."""
        if name not in self._models:
            self._models[name] = self._build(name)
            if len(self._models) > _KEPT_MODELS:
                self._models.popitem(last=False)
        return self._models[name]

    def _client(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        if self._sdk is not None:
            return self._sdk
        self._http = operator_client()
        self._http.event_hooks["request"].append(self._send_only_ours)
        self._sdk = AsyncOpenAI(
            base_url=self.endpoint.base_url,
            # The SDK insists on a key and else takes OPENAI_API_KEY from the environment; `_send_only_ours` decides
            # what really leaves.
            api_key=self.endpoint.api_key or "none",
            http_client=self._http,
            # The engine retries, counts its attempts and can be cancelled between them.
            max_retries=0,
        )
        return self._sdk

    def _build(self, name: str) -> "OpenAIChatModel":
        from pydantic_ai import ModelProfile
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        client = self._client()
        if self.endpoint.is_openai:
            # The schema is prepared in `_parameters`: the library would change it also where that gains nothing.
            return OpenAIChatModel(
                name,
                provider=OpenAIProvider(openai_client=client),
                profile=ModelProfile(json_schema_transformer=None),
            )
        provider = OpenAICompatibleProvider(
            self.endpoint.place.provider, openai_client=client, profile=_plain_profile
        )
        return OpenAIChatModel(name, provider=provider)

    async def _send_only_ours(self, request: "httpx2.Request") -> None:
        # The SDK reads OPENAI_API_KEY, OPENAI_ADMIN_KEY, OPENAI_ORG_ID and OPENAI_CUSTOM_HEADERS by itself. None of them
        # may reach a server other than OpenAI's, so this has the last word on the headers.
        is_ours = self.endpoint.is_openai and not self.endpoint.is_own
        allowed = _SENT_HEADERS | _OPENAI_HEADERS if is_ours else _SENT_HEADERS
        for name in set(request.headers) - allowed:
            del request.headers[name]
        request.headers.pop("authorization", None)
        if self.endpoint.api_key:
            request.headers["authorization"] = f"Bearer {self.endpoint.api_key}"
        if not self.endpoint.keeps_connections:
            request.headers["connection"] = "close"

    async def list_models(self) -> list[str]:
        """What the server says it has, which also proves that it answers and takes the key.

        Raises:
            ProviderError: it does not answer, or refuses.
        """
        client = self._client()
        try:
            return sorted([model.id async for model in client.models.list(timeout=15)])
        except Exception as error:
            raise explain(error, self.endpoint.place, self.endpoint.api_key) from None


def _plain_profile(model_name: str) -> Any:
    """What can be taken for granted of any imitation: the schema as written, and the older `max_tokens`."""
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    known = OpenAICompatibleProvider.model_profile(model_name) or {}
    plain = OpenAIModelProfile(
        json_schema_transformer=None,
        supports_json_schema_output=True,
        openai_chat_supports_max_completion_tokens=False,
        openai_supports_strict_tool_definition=False,
    )
    return {**known, **plain}


async def stream_chat(
    connection: ChatConnection, name: str, request: ModelRequest, progress: Progress
) -> AsyncGenerator[Delta | Finished]:
    """One streamed call; see `base.Model.stream`."""
    place = connection.endpoint.place.of(name)
    progress.input_chars = _size(request)
    stack = AsyncExitStack()
    try:
        async with stack:
            model = connection.model(name)
            opened = model.request_stream(
                _messages(model, request), _settings(model, request), _parameters(model, request)
            )
            try:
                reply = await stack.enter_async_context(opened)
            except Exception:
                # Refused before anything was read, so nothing is owed.
                progress.input_chars = 0
                raise
            async with aclosing(_texts(reply)) as texts:
                async for text in texts:
                    progress.add(text)
                    yield Delta(text)
            finished = _finished(reply, name, progress, place)
    except ProviderError:
        raise
    except Exception as error:
        # Whatever the library makes of a bad reply is the provider's failure, not ours: it ends the step, not the run's worker.
        raise explain(
            error,
            place,
            connection.endpoint.api_key,
            answering=progress.chunks > 0,
            redact=request.redact,
        ) from None
    yield finished


async def _texts(reply: "StreamedResponse") -> AsyncGenerator[str]:
    """Pieces of the answer, without what no store and no stream can carry."""
    rest = ""
    async with aclosing(_pieces(reply)) as pieces:
        async for piece in pieces:
            text = rest + piece
            # Some servers cut between the two halves of one character.
            rest = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            if whole := storable(text.removesuffix(rest)):
                yield whole
    if rest:
        yield storable(rest)


async def _pieces(reply: "StreamedResponse") -> AsyncGenerator[str]:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    async for event in reply:
        match event:
            case PartStartEvent(part=TextPart(content=text)) if text:
                yield text
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                yield text
            case _:
                pass


def _finished(reply: "StreamedResponse", name: str, progress: Progress, place: Place) -> Finished:
    details = reply.provider_details or {}
    if refusal := details.get("refusal"):
        raise ProviderError(
            "provider_error",
            f"{place.label} refused to answer with `{name}`: {storable(str(refusal))}",
            status=200,
        )
    usage = reply.usage
    counted = usage.input_tokens + usage.output_tokens > 0
    if not counted and not details.get("finish_reason"):
        # Some servers leave out one of the two; a stream without either was cut off.
        raise broken_off(place)
    if counted:
        progress.reported = Usage(
            input_tokens=usage.input_tokens,
            cached_tokens=min(usage.cache_read_tokens, usage.input_tokens),
            output_tokens=usage.output_tokens,
        )
    return Finished(
        text=progress.text,
        usage=progress.usage(),
        model=reply.model_name or name,
        finish_reason=reply.finish_reason,
    )


def _size(request: ModelRequest) -> int:
    return len(request.system_prompt or "") + sum(len(message.text) for message in request.messages)


def _messages(model: "OpenAIChatModel", request: ModelRequest) -> "list[ModelMessage]":
    from pydantic_ai.messages import (
        ModelRequest as Turn,
    )
    from pydantic_ai.messages import (
        ModelResponse,
        SystemPromptPart,
        TextPart,
        UserPromptPart,
    )

    messages: list[ModelMessage] = []
    if system_prompt := _system_prompt(model, request):
        messages.append(Turn(parts=[SystemPromptPart(system_prompt)]))
    for message in request.messages:
        if message.role == "user":
            messages.append(Turn(parts=[UserPromptPart(message.text)]))
        else:
            messages.append(ModelResponse(parts=[TextPart(message.text)]))
    return messages


def _system_prompt(model: "OpenAIChatModel", request: ModelRequest) -> str | None:
    schema = request.json_schema
    if schema is not None:
        # What cannot be asked for in the request's own field is asked for in words.
        fits = f"Answer only with JSON that fits this JSON Schema: {json.dumps(schema)}"
        added = None if _accepts_schema(model, schema) else fits
    else:
        said = [request.system_prompt or "", *(message.text for message in request.messages)]
        # OpenAI answers 400 to `json_object` unless the word stands somewhere in the conversation.
        missing = request.json_object and not any("json" in text.lower() for text in said)
        added = "Answer with a JSON object." if missing else None
    return "\n\n".join(filter(None, [request.system_prompt, added])) or None


def _settings(model: "OpenAIChatModel", request: ModelRequest) -> "OpenAIChatModelSettings":
    headers = {"User-Agent": USER_AGENT}
    if request.idempotency_key:
        headers["Idempotency-Key"] = request.idempotency_key
    settings: OpenAIChatModelSettings = {"extra_headers": headers}
    if request.temperature is not None and _takes_temperature(model):
        settings["temperature"] = request.temperature
    if request.max_tokens is not None:
        settings["max_tokens"] = request.max_tokens
    if request.json_object and request.json_schema is None:
        settings["extra_body"] = {"response_format": {"type": "json_object"}}
    return settings


def _takes_temperature(model: "OpenAIChatModel") -> bool:
    # Reasoning models refuse it with a 400; the library would drop it with a warning on standard error at each call.
    profile = model.profile
    if not profile.get("openai_supports_reasoning", False):
        return True
    may_rest = profile.get("openai_supports_reasoning_effort_none", False)
    return may_rest and not profile.get("thinking_enabled_by_default", False)


def _parameters(model: "OpenAIChatModel", request: ModelRequest) -> "ModelRequestParameters":
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

    schema = request.json_schema
    if schema is None or not _accepts_schema(model, schema):
        return ModelRequestParameters()
    # OpenAI guarantees the shape (`strict`) for a part of JSON Schema only. What does not qualify goes as it is written.
    strict = OpenAIJsonSchemaTransformer(schema, strict=None)
    tightened = strict.walk()
    chosen = tightened if strict.is_strict_compatible else schema
    output = OutputObjectDefinition(
        json_schema=chosen, name="output", strict=strict.is_strict_compatible
    )
    return ModelRequestParameters(output_mode="native", output_object=output)


def _accepts_schema(model: "OpenAIChatModel", schema: dict[str, Any]) -> bool:
    if not model.profile.get("openai_supports_strict_tool_definition", True):
        return True
    # OpenAI takes objects only, and not with its oldest models; the caller validates the answer anyway.
    return schema.get("type") == "object" and not _WITHOUT_SCHEMAS.match(model.model_name)
