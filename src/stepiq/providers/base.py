"""What the engine asks of a model, whoever serves it."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

CHARS_PER_TOKEN = 4
"""How many characters of text a token stands for when nobody counted: the usual figure for English."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation sent to the model."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Everything one call says to the model."""

    messages: tuple[Message, ...]
    system_prompt: str | None = None
    temperature: float | None = None
    """Not sent to models that refuse it, such as OpenAI's reasoning models."""
    max_tokens: int | None = None
    """Upper bound of the answer, thinking included."""
    json_schema: dict[str, Any] | None = None
    """The answer is asked to fit this JSON Schema; the model may still miss it, so validate."""
    json_object: bool = False
    """The answer is asked to be a JSON object; `json_schema` goes before it."""
    idempotency_key: str | None = None
    """Sent as `Idempotency-Key`, the same whenever the same step is tried again."""
    redact: Callable[[str], str] = field(default=str, repr=False)
    """Takes out of what is quoted from a reply, before it is shortened, what must not be shown."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call."""

    input_tokens: int
    cached_tokens: int
    """The part of `input_tokens` that the provider read from its cache, at its cheaper price."""
    output_tokens: int
    """Thinking included, where the provider bills it."""
    estimated: bool = False
    """Counted here from the text because the provider did not say, as after a cancel."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer."""

    text: str
    """The whole answer: all deltas joined."""
    usage: Usage
    model: str
    """What the provider says it ran, which may be a dated version of what was asked for."""
    finish_reason: str | None
    """`stop`, `length` (`max_tokens` or the context was used up), `content_filter` or `tool_call`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call costs in micro-dollars, each part rounded half up."""

    input_usd_micros: int
    """Input that was not cached."""
    cached_usd_micros: int
    output_usd_micros: int

    @property
    def total_usd_micros(self) -> int:
        return self.input_usd_micros + self.cached_usd_micros + self.output_usd_micros


class ProviderError(Exception):
    """A model could not be asked, or did not answer properly.

    The message is fit for the run's owner: it names the provider, the model and the setting to look at, and never
    holds a key, also when the provider's reply repeats it.
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
        """Whether the same call may succeed later: the network, 408, 429 and 5xx."""
        self.retry_after = retry_after
        """How long the provider asks to wait, from its `Retry-After`."""
        self.status = status
        """HTTP status of the reply, if there was one."""


@dataclass(slots=True)
class Progress:
    """Counts one call while it streams, so that its tokens are known also when it is cut off."""

    input_chars: int = 0
    """Characters sent; 0 until the request is on its way, and again when the provider refused it."""
    chunks: int = 0
    size_bytes: int = 0
    """Length of the answer so far, in UTF-8."""
    reported: Usage | None = None
    """What the provider said, once it did."""
    _text: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    def add(self, text: str) -> None:
        """Note one more piece of the answer."""
        self.chunks += 1
        self.size_bytes += len(text) if text.isascii() else len(text.encode())
        self._text.append(text)

    def usage(self) -> Usage:
        """The provider's numbers if it gave any, else an estimate, marked as one."""
        if self.reported is not None:
            return self.reported
        written = sum(map(len, self._text))
        return Usage(
            input_tokens=tokens_in(self.input_chars),
            cached_tokens=0,
            # Providers send about a token a chunk, but may send many at once.
            output_tokens=max(self.chunks, tokens_in(written)),
            estimated=True,
        )


def tokens_in(chars: int) -> int:
    """About how many tokens a text of so many characters is, rounded up."""
    return -(-chars // CHARS_PER_TOKEN)


class Model(Protocol):
    """One model that can be asked here and now."""

    @property
    def id(self) -> str:
        """Its full id, such as `openai/gpt-4o`."""
        ...

    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str:
        """What the provider calls it."""
        ...

    @property
    def paid_by(self) -> str:
        """Whose key is used: `account_key`, `server_key`, or `local` where none is needed."""
        ...

    @property
    def is_paid_by_server(self) -> bool:
        """Whether the operator's key pays: such tokens cost the account credits."""
        ...

    @property
    def max_answer_tokens(self) -> int | None:
        """The longest answer that may be asked for; None: the provider decides."""
        ...

    def stream(
        self, request: ModelRequest, progress: Progress | None = None
    ) -> AsyncGenerator[Delta | Finished]:
        """Ask once, and give the answer piece by piece; the last item is `Finished`.

        Nothing is retried here. Cancelling the task that iterates, or closing the iterator, closes the connection to
        the provider at once; `progress` then tells what was used so far.

        Raises:
            ProviderError: there is no answer, or it broke off.
        """
        ...

    def cost(self, usage: Usage) -> Cost | None:
        """What that usage costs today; None when no price is known, zeros where nothing is billed."""
        ...
