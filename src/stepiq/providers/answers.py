"""A streamed answer, in the same form for all protocols."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass


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


class StreamedAnswer(ABC):
    """An answer that streams."""

    @abstractmethod
    def texts(self) -> AsyncGenerator[str]:
        """Yield the pieces of the text as the provider sends them. A piece is never empty."""

    @abstractmethod
    def ending(self) -> AnswerEnding:
        """What was reported until now. Call it after `texts` has ended."""
