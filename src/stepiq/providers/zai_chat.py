"""Speaks Z.ai's Chat Completions API, which has a separate field for thinking and does not support schemas."""

from collections.abc import Mapping
from typing import Any, ClassVar

from stepiq.providers.base import ModelRequest
from stepiq.providers.openai.answer import ENDINGS
from stepiq.providers.openai.chat import ChatConnection


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
