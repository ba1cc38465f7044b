"""The interface between the engine and models, the same for all providers."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from stepiq.providers.parts import AnswerPart, Message, Tool


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """The content and parameters of one call."""

    messages: tuple[Message, ...]
    system_prompt: str | None = None
    temperature: float | None = None
    """Not sent to models that reject it, such as OpenAI's reasoning models."""
    max_tokens: int | None = None
    """Upper bound of the answer, thinking included."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema of the answer. The model may still not follow it, so validate the answer."""
    json_object: bool = False
    """Requests a JSON object; `json_schema` takes precedence."""
    tools: tuple[Tool, ...] = ()
    """The tools that the model can call. Needed also if only earlier messages contain calls of them."""
    idempotency_key: str | None = None
    """Sent as `Idempotency-Key`; the same for every attempt of the same step."""
    redact: Callable[[str], str] = field(default=str, repr=False)
    """Removes secrets from quotes of a reply, before they are shortened."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call."""

    input_tokens: int
    cached_tokens: int
    """The part of `input_tokens` that the provider read from its cache, at its cheaper price."""
    output_tokens: int
    """Thinking included, where the provider bills it."""
    estimated: bool = False
    """The most that the provider can count, because it reported no final numbers, for example after a cancellation."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's thoughts, never empty. They are not part of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer."""

    text: str
    """The whole answer: all deltas joined."""
    usage: Usage
    model: str
    """The model that the provider reports, which may be a dated version of the requested one."""
    finish_reason: str | None
    """`stop`, `length` (`max_tokens` or the context was used up), `request_limit` (the provider would continue in another
    request), `content_filter` or `tool_call`."""
    parts: tuple[AnswerPart, ...] = ()
    """The whole answer: thoughts, text and calls of tools. They can be sent back as a message of the assistant."""


StreamItem = Delta | ReasoningDelta | Finished


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call costs in micro-dollars, each part rounded half up."""

    input_usd_micros: int
    """Input that was not cached."""
    cached_usd_micros: int
    output_usd_micros: int

    @property
    def total_usd_micros(self) -> int:
        return sum(self.parts().values())

    def parts(self) -> dict[str, int]:
        """The cost by `input`, `cached` and `output`."""
        return {
            "input": self.input_usd_micros,
            "cached": self.cached_usd_micros,
            "output": self.output_usd_micros,
        }


class ProviderError(Exception):
    """A model could not be called, or did not return a valid answer.

    The message is for the run's owner. It names the provider, the model and the relevant setting, and never contains a
    key, even if the provider's reply repeats it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """A failure code of the language: `provider_auth`, `provider_rate_limited`, `provider_error`, `model_unknown`,
        `output_too_large`."""
        self.message = message
        self.retryable = retryable
        """Whether the same call may succeed later: after network errors, 408, 429 and 5xx."""
        self.retry_after = retry_after
        """The wait that the provider requests with `Retry-After`."""
        self.status = status
        """HTTP status of the reply, if there was one."""


@dataclass(slots=True)
class CallProgress:
    """Usage of one call while it streams, so that its tokens are known even if it is interrupted."""

    input_tokens: int = 0
    """The most tokens that the request can have."""
    max_tokens: int | None = None
    """`ModelRequest.max_tokens`."""
    is_sent: bool = False
    """Whether the provider has received at least a part of the request, and has not refused it."""
    size_bytes: int = 0
    """Length of the answer so far, in UTF-8, with thoughts and calls of tools."""
    reported: Usage | None = None
    """The provider's numbers of a complete answer; None until it reports them."""
    so_far: Usage | None = None
    """What the provider had reported of an answer that broke off; None if nothing."""
    _text: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """The text of the answer so far."""
        return "".join(self._text)

    def add(self, text: str) -> None:
        """Add a piece of the text."""
        self._text.append(text)
        self.count(text)

    def count(self, text: str) -> None:
        """Count a piece of the answer that is not part of its text."""
        self.size_bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))

    def usage(self) -> Usage:
        """The provider's numbers of a complete answer, otherwise the most that it can count, marked as an estimate.

        A token has at least one byte. Thoughts that the provider does not send are not known.
        """
        if self.reported is not None:
            return self.reported
        so_far = self.so_far or Usage(0, 0, 0)
        output_tokens = self.size_bytes
        if self.max_tokens is not None:
            output_tokens = min(output_tokens, self.max_tokens)
        return Usage(
            input_tokens=max(self.input_tokens if self.is_sent else 0, so_far.input_tokens),
            cached_tokens=0,
            output_tokens=max(output_tokens, so_far.output_tokens),
            estimated=True,
        )


class Model(Protocol):
    """One model that can be called on this server."""

    @property
    def id(self) -> str:
        """Its full id, such as `openai/gpt-4o`."""
        ...

    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str:
        """The provider's name for it."""
        ...

    @property
    def paid_by(self) -> str:
        """Whose key is used: `account_key`, `server_key`, or `local` if none is needed."""
        ...

    @property
    def is_paid_by_server(self) -> bool:
        """Whether the operator's key is used, so that tokens cost the account credits."""
        ...

    @property
    def max_answer_tokens(self) -> int | None:
        """The most tokens that can be requested for an answer; None if the provider decides."""
        ...

    def stream(
        self, request: ModelRequest, progress: CallProgress | None = None
    ) -> AsyncGenerator[StreamItem]:
        """Call the model once and yield the answer in pieces. The last item is `Finished`.

        There are no retries. Cancelling the task that iterates, or closing the iterator, closes the connection to the
        provider immediately; `progress` then has the usage so far.

        Raises:
            ProviderError: there is no answer, or it is incomplete.
        """
        ...

    def cost(self, usage: Usage) -> Cost | None:
        """The cost of that usage at today's prices; None if no price is known, zeros if nothing is billed."""
        ...
