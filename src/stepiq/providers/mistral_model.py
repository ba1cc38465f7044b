"""The library's Chat Completions, adapted to Mistral. Imports the library, so import it only when needed."""

from typing import Any

from openai import omit
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIStreamedResponse,
)

_ENDINGS = {"model_length": "length", "error": "error"}
"""Finish reasons that only Mistral returns."""


class MistralAnswer(OpenAIStreamedResponse):
    """An answer that supports Mistral's finish reasons."""

    def _map_finish_reason(self, key: Any) -> Any:
        return _ENDINGS.get(key) or super()._map_finish_reason(key)


class MistralModel(OpenAIChatModel):
    """A model that omits the fields that Mistral rejects with 422."""

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return MistralAnswer

    def _get_stream_options(self, model_settings: OpenAIChatModelSettings) -> Any:
        # Mistral rejects the field, and reports tokens without it.
        return omit
