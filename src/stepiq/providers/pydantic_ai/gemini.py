"""Client for Gemini's generateContent API."""

import re
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.providers import questions
from stepiq.providers.base import ModelRequest, ProviderError
from stepiq.providers.pydantic_ai import questions as library_questions
from stepiq.providers.pydantic_ai.connection import LibraryConnection
from stepiq.providers.pydantic_ai.questions import Question

if TYPE_CHECKING:
    from google.genai.client import Client
    from pydantic_ai.models import Model

_NAMES = re.compile(r"(?!.*\.\.)[A-Za-z0-9._/-]+")
"""Valid names. A name becomes a part of the URL's path."""


class GeminiConnection(LibraryConnection):
    """Connection to Google's Gemini API, or to a gateway in front of it. Google Cloud is not supported."""

    libraries: ClassVar[tuple[str, ...]] = (
        "google.genai.client",
        "pydantic_ai.models.google",
        "pydantic_ai.providers.google",
    )
    listing_path = "/v1beta/models?pageSize=1000"

    def credentials(self) -> dict[str, str]:
        key = self.endpoint.api_key
        return {"x-goog-api-key": key} if key else {}

    def names_in(self, listing: Any) -> list[str]:
        entries: list[dict[str, Any]] = listing.get("models") or []
        return [str(entry["name"]).removeprefix("models/") for entry in entries]

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai.providers.google import GoogleProvider

        from stepiq.providers.pydantic_ai.gemini_model import SingleRequestModel

        if not _NAMES.fullmatch(name):
            raise ProviderError(
                "model_unknown",
                f"{self.endpoint.place.label} has no model `{name}`. Names can only contain letters, digits and . _ - /. Use"
                " another `model`. `stepiq models --all` lists the known ones.",
            )
        return SingleRequestModel(name, provider=GoogleProvider(client=self.client))

    def make_client(self) -> "Client":
        from google.genai.client import Client
        from google.genai.types import HttpOptions

        # The SDK creates a second, synchronous client, which is not used. Without CA certificates it is cheap, and
        # without `trust_env` it does not read the environment.
        unused = {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "trust_env": False}
        return Client(
            enterprise=False,
            # Without a key, the SDK uses GOOGLE_API_KEY or GEMINI_API_KEY. `credentials` sets the sent headers.
            api_key=self.endpoint.api_key or "none",
            http_options=HttpOptions(
                base_url=self.endpoint.base_url,
                httpx_async_client=self.http,
                client_args=unused,
                async_client_args={"ssl": unused["verify"], "verify": unused["verify"]},
            ),
        )

    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        settings = library_questions.settings(request)
        schema = request.json_schema
        can_shape = bool(model.profile.get("supports_json_schema_output", False))
        if schema is not None and can_shape:
            return Question(
                library_questions.turns(request),
                settings,
                library_questions.shaped(request, schema),
            )
        parameters = library_questions.plain(request)
        if schema is not None:
            return Question(
                library_questions.turns(request, questions.fits(schema)), settings, parameters
            )
        if request.json_object and can_shape:
            # In the library, this mode requests JSON without a schema.
            parameters = replace(parameters, output_mode="prompted")
        messages = library_questions.turns(request, questions.object_in_words(request))
        return Question(messages, settings, parameters)
