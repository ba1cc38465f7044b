"""Client for Z.ai's Chat Completions API, which has a separate field for thinking and does not support schemas."""

from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.providers.base import ModelRequest
from stepiq.providers.openai_chat import ChatConnection
from stepiq.providers.questions import Question

if TYPE_CHECKING:
    from pydantic_ai.models import Model


class ZaiConnection(ChatConnection):
    """Connection to Z.ai, or to a gateway in front of it."""

    libraries: ClassVar[tuple[str, ...]] = (
        *ChatConnection.libraries,
        "pydantic_ai.models.zai",
        "pydantic_ai.providers.zai",
    )
    says_why = True

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai.models.zai import ZaiModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.zai import ZaiProvider

        return ZaiModel(
            # Price lists use GLM-4.5-Air, but Z.ai uses glm-4.5-air.
            name.lower(),
            provider=ZaiProvider(openai_client=self.client),
            profile=OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False),
        )

    def takes_schema(self, model: "Model[Any]", schema: dict[str, Any]) -> bool:
        return False

    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        asked = super().ask(model, request)
        schema = request.json_schema
        if schema is not None and schema.get("type") == "object":
            # The prompt contains the schema; the field ensures that the answer is an object.
            asked.settings["extra_body"] = {"response_format": {"type": "json_object"}}
        return asked
