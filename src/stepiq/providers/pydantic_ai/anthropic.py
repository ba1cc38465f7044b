"""Client for Anthropic's Messages API."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from stepiq.providers import questions
from stepiq.providers.base import ModelRequest
from stepiq.providers.pydantic_ai import questions as library_questions
from stepiq.providers.pydantic_ai.anthropic_schema import guaranteed
from stepiq.providers.pydantic_ai.connection import LibraryConnection
from stepiq.providers.pydantic_ai.questions import Question

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

_VERSION = "2023-06-01"
"""API version, sent with every request."""


class AnthropicConnection(LibraryConnection):
    """Connection to Anthropic, or to a gateway in front of it."""

    libraries: ClassVar[tuple[str, ...]] = (
        "anthropic.resources.beta.messages",
        "pydantic_ai.models.anthropic",
        "pydantic_ai.providers.anthropic",
    )
    listing_path = "/v1/models?limit=1000"
    fetches_files = True

    def credentials(self) -> dict[str, str]:
        key = self.endpoint.api_key
        return {"anthropic-version": _VERSION} | ({"x-api-key": key} if key else {})

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai import ModelProfile
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        # `ask` prepares the schema. The library would close open objects without a warning.
        return AnthropicModel(
            name,
            provider=AnthropicProvider(anthropic_client=self.client),
            profile=ModelProfile(json_schema_transformer=None),
        )

    def make_client(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(
            base_url=self.endpoint.base_url,
            # Without a key, the SDK searches for keys, tokens and profiles. `credentials` sets the sent headers.
            api_key=self.endpoint.api_key or "none",
            http_client=self.http,
            max_retries=0,
        )

    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        profile = cast("dict[str, Any]", model.profile)
        takes_temperature = not profile.get("anthropic_disallows_sampling_settings", False)
        # Anthropic requires `max_tokens`. If there is none, the library sends the model's maximum.
        settings = library_questions.settings(request, takes_temperature=takes_temperature)
        schema = request.json_schema
        if schema is None:
            messages = library_questions.turns(request, questions.object_in_words(request))
            return Question(messages, settings, library_questions.plain(request))
        if profile.get("supports_json_schema_output", False):
            shaped = _shaped(model, settings, request, schema)
            if shaped is not None:
                return Question(library_questions.turns(request), settings, shaped)
        messages = library_questions.turns(request, questions.fits(schema))
        return Question(messages, settings, library_questions.plain(request))


def _shaped(
    model: "Model[Any]", settings: "ModelSettings", request: ModelRequest, schema: dict[str, Any]
) -> "ModelRequestParameters | None":
    from pydantic_ai.exceptions import ModelRequestRejectedError

    closed = guaranteed(schema)
    if closed is None:
        return None
    shaped = library_questions.shaped(request, closed)
    try:
        # Checks Anthropic's limits on optional fields and unions, and rejects recursion.
        model.prepare_request(settings, shaped)
    except ModelRequestRejectedError:
        return None
    return shaped
