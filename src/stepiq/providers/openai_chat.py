"""Client for OpenAI's Chat Completions API and compatible servers."""

import re
from typing import TYPE_CHECKING, Any, ClassVar, cast

from stepiq.providers import questions
from stepiq.providers.base import ModelRequest
from stepiq.providers.connection import ProviderConnection
from stepiq.providers.questions import Question

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.models import Model, ModelRequestParameters

_WITHOUT_SCHEMAS = re.compile(r"gpt-3|gpt-4($|-)|gpt-4o-2024-05-13|chatgpt-4o|o1-(mini|preview)")
"""OpenAI's models that reject a schema with status 400."""

_OPENAI_HEADERS = frozenset({"openai-organization", "openai-project"})


class ChatConnection(ProviderConnection):
    """Connection to an OpenAI-compatible server. Subclasses adapt it to certain providers."""

    libraries: ClassVar[tuple[str, ...]] = (
        "openai.resources.chat",
        "openai.types.chat",
        "pydantic_ai.models.openai",
        "pydantic_ai.providers.openai",
        "pydantic_ai.providers.openai_compatible",
    )
    says_why = False

    def make_client(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            base_url=self.endpoint.base_url,
            # The SDK requires a key, and without one uses OPENAI_API_KEY. `credentials` sets the sent headers.
            api_key=self.endpoint.api_key or "none",
            http_client=self.http,
            # The engine retries: it counts attempts and can be cancelled between them.
            max_retries=0,
        )

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        provider = OpenAICompatibleProvider(
            self.endpoint.place.provider, openai_client=self.client, profile=plain_profile
        )
        return OpenAIChatModel(name, provider=provider)

    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        schema = request.json_schema
        settings = questions.settings(request, takes_temperature=_takes_temperature(model))
        if schema is None:
            if not request.json_object:
                return Question(questions.turns(request), settings, questions.plain())
            settings["extra_body"] = {"response_format": {"type": "json_object"}}
            # OpenAI returns 400 for that unless the conversation contains the word "JSON".
            messages = questions.turns(request, questions.object_in_words(request))
            return Question(messages, settings, questions.plain())
        if not self.takes_schema(model, schema):
            messages = questions.turns(request, questions.fits(schema))
            return Question(messages, settings, questions.plain())
        return Question(questions.turns(request), settings, _shaped(schema))

    def takes_schema(self, model: "Model[Any]", schema: dict[str, Any]) -> bool:
        """Whether the model accepts this schema in its own field."""
        return True


class OpenAIConnection(ChatConnection):
    """Connection to OpenAI, or to a gateway that passes everything on to it. Uses OpenAI's newer fields."""

    def may_send(self) -> frozenset[str]:
        # The SDK reads OPENAI_ORG_ID and OPENAI_PROJECT_ID, which are the operator's.
        return frozenset() if self.endpoint.is_own else _OPENAI_HEADERS

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai import ModelProfile
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        # `_shaped` prepares the schema. The library would change it even if it cannot be strict.
        return OpenAIChatModel(
            name,
            provider=OpenAIProvider(openai_client=self.client),
            profile=ModelProfile(json_schema_transformer=None),
        )

    def takes_schema(self, model: "Model[Any]", schema: dict[str, Any]) -> bool:
        # Only objects, and not with the oldest models. The caller validates the answer in any case.
        return schema.get("type") == "object" and not _WITHOUT_SCHEMAS.match(model.model_name)


def plain_profile(model_name: str) -> Any:
    """The features that any compatible server is assumed to have: schemas as written, and the older `max_tokens`."""
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


def _takes_temperature(model: "Model[Any]") -> bool:
    # Reasoning models reject it with 400. The library would drop it, with a warning on standard error at each call.
    profile = cast("dict[str, Any]", model.profile)
    if not profile.get("openai_supports_reasoning", False):
        return True
    may_rest = profile.get("openai_supports_reasoning_effort_none", False)
    return may_rest and not profile.get("thinking_enabled_by_default", False)


def _shaped(schema: dict[str, Any]) -> "ModelRequestParameters":
    from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

    # OpenAI guarantees the schema (`strict`) for a subset of JSON Schema only. Other schemas are sent unchanged.
    strict = OpenAIJsonSchemaTransformer(schema, strict=None)
    tightened = strict.walk()
    is_strict = bool(strict.is_strict_compatible)
    return questions.shaped(tightened if is_strict else schema, strict=is_strict)
