"""Client for Mistral's Chat Completions API, which rejects unknown fields with status 422.

Mistral's library is not used: it builds a class for each chunk of an answer, so tokens and calls take about three times
the CPU time.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.providers.openai_chat import ChatConnection, plain_profile

if TYPE_CHECKING:
    from pydantic_ai.models import Model


class MistralConnection(ChatConnection):
    """Connection to Mistral, or to a gateway in front of it."""

    libraries: ClassVar[tuple[str, ...]] = (
        *ChatConnection.libraries,
        "stepiq.providers.mistral_model",
    )
    says_why = True

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        from stepiq.providers.mistral_model import MistralModel

        provider = OpenAICompatibleProvider("mistral", openai_client=self.client, profile=_profile)
        return MistralModel(name, provider=provider)


def _profile(model_name: str) -> Any:
    return {**plain_profile(model_name), "openai_supports_strict_tool_definition": True}
