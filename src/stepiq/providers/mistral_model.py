"""The library's Chat Completions as Mistral speaks them. Imports the library: import this only when it is needed."""

from typing import Any

from openai import omit
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIStreamedResponse,
)

_ENDINGS = {"model_length": "length", "error": "error"}
"""Reasons that only Mistral gives."""


class MistralAnswer(OpenAIStreamedResponse):
    """An answer that may end for reasons of Mistral's own."""

    def _map_finish_reason(self, key: Any) -> Any:
        return _ENDINGS.get(key) or super()._map_finish_reason(key)


class MistralModel(OpenAIChatModel):
    """A model that is asked without what Mistral answers 422 to."""

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return MistralAnswer

    def _get_stream_options(self, model_settings: OpenAIChatModelSettings) -> Any:
        # Refused; and tokens are told without it.
        return omit
