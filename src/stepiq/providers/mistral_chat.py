"""Speaks Mistral's Chat Completions API, which rejects unknown fields with status 422."""

from collections.abc import Mapping
from typing import Any, ClassVar

from stepiq.providers.openai.answer import ENDINGS
from stepiq.providers.openai.chat import ChatConnection
from stepiq.providers.parts import FilePart
from stepiq.providers.places import FailurePlace


class MistralConnection(ChatConnection):
    """Connection to Mistral, or to a gateway in front of it."""

    says_why = True
    endings: ClassVar[Mapping[str, str]] = {**ENDINGS, "model_length": "length", "error": "error"}
    # It rejects the field, and reports tokens without it.
    asks_for_usage = False
    knows_strict = True

    def file(self, part: FilePart, place: FailurePlace) -> dict[str, Any]:
        return {"type": "document_url", "document_url": part.url, "document_name": part.name}
