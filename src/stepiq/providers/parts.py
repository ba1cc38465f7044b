"""The parts of the messages that are exchanged with models, and the tools that models can call."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from stepiq.core.json import Json

_DATA = "data:"
_BASE64 = ";base64"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text of a user or a model."""

    text: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """An image or another file that a user gives to a model."""

    url: str = field(repr=False)
    """`data:TYPE;base64,…`, or an HTTP address from which the provider fetches the file itself."""
    media_type: str
    """Such as `image/png` or `application/pdf`."""
    name: str = "file"
    """Sent to providers that show the model the names of files other than images."""

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")

    @property
    def is_embedded(self) -> bool:
        """Whether `url` contains the content."""
        return self.url.startswith(_DATA)

    @property
    def content(self) -> bytes:
        """The content of an embedded file.

        Raises:
            ValueError: the URL is not base64.
        """
        head, _, data = self.url.partition(",")
        if not head.endswith(_BASE64):
            raise ValueError("The data URL is not encoded in base64.")
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"The data URL is not valid base64: {error}") from None


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """Thoughts of a model. They are not part of its answer."""

    text: str
    details: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What the provider must get back with the thoughts, such as a signature. JSON."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's request to call a tool."""

    id: str
    """Unique within an answer. `ToolResult.call_id` refers to it."""
    name: str
    arguments: dict[str, Json]
    details: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What the provider must get back with the call, such as a signature. JSON."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call, for the model."""

    call_id: str
    name: str
    """The name of the tool."""
    text: str
    is_error: bool = False


AnswerPart = TextPart | ReasoningPart | ToolCall
Part = AnswerPart | FilePart | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation sent to the model."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]
    """Of a user: texts, files and results of tools. Of the assistant: the parts of its answer."""

    @classmethod
    def of_text(cls, role: Literal["user", "assistant"], text: str) -> "Message":
        """A turn that is only text."""
        return cls(role, (TextPart(text),))

    def with_texts(self, change: Callable[[str], str]) -> "Message":
        """The same turn with changed texts, also those of tools."""
        return Message(
            self.role,
            tuple(
                replace(part, text=change(part.text))
                if isinstance(part, TextPart | ToolResult)
                else part
                for part in self.parts
            ),
        )

    @property
    def text(self) -> str:
        """Its texts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model can call."""

    name: str
    description: str
    input_schema: dict[str, Any]
    """JSON Schema of the arguments, an object. Models may still not follow it, so validate the arguments."""
