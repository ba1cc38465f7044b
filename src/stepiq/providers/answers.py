"""A streamed answer, in the same form for all protocols."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from stepiq.providers.parts import ReasoningPart


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """A piece of the model's thoughts, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class OtherPiece:
    """A piece that is only counted, such as of a tool call or a refusal, which the ending contains as a whole."""

    text: str


Piece = str | ReasoningPiece | OtherPiece
"""A piece of an answer; a string is a piece of its text."""


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A tool call as the provider has sent it, which may be incomplete or invalid."""

    id: str
    name: str
    arguments: str
    """JSON, or what should be JSON."""
    details: Mapping[str, Any]
    """See `ToolCall.details`."""


@dataclass(frozen=True, slots=True)
class AnswerEnding:
    """What a provider reports when its answer has ended."""

    model: str | None
    """The model that answered."""
    reason: str | None
    """The finish reason in the provider's words."""
    finish_reason: str | None
    """The same as `base.Finished.finish_reason`, or `error` if the provider gave up; None for other reasons."""
    has_refused: bool
    """Whether the model refused to answer."""
    refusal: str | None
    """The text of the refusal."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning: tuple[ReasoningPart, ...] = ()
    calls: tuple[ReceivedCall, ...] = ()
    is_within_thoughts: bool = False
    """Whether the answer ended without the end of its thoughts."""


class StreamedAnswer(ABC):
    """An answer that streams."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[Piece]:
        """Yield the pieces as the provider sends them. Pieces of text and of thoughts are never empty."""

    @abstractmethod
    def ending(self) -> AnswerEnding:
        """What was reported until now. Call it after `pieces` has ended."""
