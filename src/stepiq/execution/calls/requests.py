"""The requests that a step can send out of the process, their replies, and what is recorded of both."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from stepiq.core import clock
from stepiq.core.control_characters import storable
from stepiq.core.http.messages import retry_after
from stepiq.core.json import Json
from stepiq.execution.outcomes import Failed, ReviewResult
from stepiq.language.code_source import CodeLanguage
from stepiq.providers.base import ModelRequest
from stepiq.providers.parts import Message
from stepiq.store.states import OperationKind, ReviewDecision

__all__ = [
    "AskPerson",
    "CallHttp",
    "CallModel",
    "HttpReply",
    "Message",
    "ModelReply",
    "OperationFailed",
    "Request",
    "RunCode",
    "Suspended",
]

R = TypeVar("R")

_UNKNOWN_SIZE = 1024 * 1024


class OperationFailed(Exception):
    """A call failed. A handler can catch it; otherwise, the attempt fails with it."""

    def __init__(self, failed: Failed, *, was_made: bool = True) -> None:
        super().__init__(failed.message)
        self.failed = failed
        self.was_made = was_made
        """Whether the call is recorded. False if the request was refused before."""


class Suspended(BaseException):
    """The run has to wait for a person. The handler is called again afterwards, and gets the answer then.

    Not an `Exception`, so that a handler does not catch it together with failures.
    """

    def __init__(self, until: datetime, question: "AskPerson | None") -> None:
        super().__init__()
        self.until = until
        self.question = question
        """The question to record; None if it is recorded already."""


class Request(Generic[R]):
    """Something that a step sends out of the process, and for which it gets a reply of type `R`."""

    __slots__ = ()
    kind: ClassVar[OperationKind]
    waits_for_person: ClassVar[bool] = False
    """Whether the reply can take days, so that the run is parked."""

    @property
    def size(self) -> int:
        """About the number of characters that `described` contains."""
        return 0

    def described(self) -> Json:
        """What is recorded, before secrets are masked."""
        raise NotImplementedError

    def reply_size(self, reply: R) -> int:
        """About the number of characters that `to_json` contains; large if it is unknown."""
        return _UNKNOWN_SIZE

    def to_json(self, reply: R) -> Json:
        """A reply as it is recorded, before secrets are masked."""
        raise NotImplementedError

    def from_json(self, recorded: Any) -> R:
        """A reply from what `to_json` made."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ModelReply:
    """The answer of a model."""

    text: str
    model: str
    """Full id of the model."""
    cut_off: str | None = None
    """Why it ended at a limit, and what to do; None if it did not."""


@dataclass(frozen=True, slots=True)
class CallModel(Request[ModelReply]):
    """One call of a model. Its text is streamed to the run's listeners while it arrives."""

    kind = OperationKind.MODEL_CALL

    model: str | None
    """As written in the definition; None for the server's default model."""
    messages: tuple[Message, ...] = field(repr=False)
    """The first is the prompt of the step."""
    system_prompt: str | None = field(default=None, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    json_schema: dict[str, Any] | None = None
    """JSON Schema of the answer. The model may still not follow it, so validate the answer."""
    json_object: bool = False
    """Requests a JSON object; `json_schema` takes precedence."""
    secret_names: frozenset[str] = frozenset()
    """Names of the secrets in the messages. The model must be on a host that may receive them."""

    @property
    def size(self) -> int:
        return sum(len(message.text) for message in self.messages[1:])

    def sent(self) -> ModelRequest:
        """What the model gets, without characters that cannot be sent."""
        return ModelRequest(
            messages=tuple(each.with_texts(storable) for each in self.messages),
            system_prompt=None if self.system_prompt is None else storable(self.system_prompt),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            json_schema=self.json_schema,
            json_object=self.json_object,
        )

    def described(self) -> Json:
        # The prompts are in the step's row.
        turns: list[Json] = [{"role": turn.role, "text": turn.text} for turn in self.messages[1:]]
        given: dict[str, Json] = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "messages": turns or None,
        }
        return {"model": self.model} | {
            key: value for key, value in given.items() if value is not None
        }

    def reply_size(self, reply: ModelReply) -> int:
        return len(reply.text)

    def to_json(self, reply: ModelReply) -> Json:
        return {"text": reply.text, "model": reply.model, "cut_off": reply.cut_off}

    def from_json(self, recorded: Any) -> ModelReply:
        return ModelReply(recorded["text"], recorded["model"], recorded["cut_off"])


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The response of a server, with any status."""

    status_code: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes = field(repr=False)
    is_cut: bool = False
    """Whether the body is longer than the limit; `body` has its beginning."""

    @property
    def retry_after(self) -> timedelta | None:
        """How long the server asks to wait."""
        return retry_after(self.headers.get("retry-after"))


@dataclass(frozen=True, slots=True)
class CallHttp(Request[HttpReply]):
    """One HTTP request to a public address. The `Idempotency-Key` header is added."""

    kind = OperationKind.HTTP_CALL

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    timeout: timedelta
    max_bytes: int
    max_redirects: int = 0
    secret_names: frozenset[str] = frozenset()
    """Names of the secrets in the request. It is only sent to hosts that may receive them."""

    @property
    def size(self) -> int:
        return len(self.url) + _size_of(self.headers) + len(self.content or b"")

    def described(self) -> Json:
        return {
            "method": self.method,
            "url": self.url,
            "headers": dict(self.headers),
            "body": None if self.content is None else _to_text(self.content),
        }

    def reply_size(self, reply: HttpReply) -> int:
        return _size_of(reply.headers) + len(reply.body)

    def to_json(self, reply: HttpReply) -> Json:
        return {
            "status": reply.status_code,
            "headers": dict(reply.headers),
            "body": _to_text(reply.body),
            "is_cut": reply.is_cut,
        }

    def from_json(self, recorded: Any) -> HttpReply:
        return HttpReply(
            recorded["status"], recorded["headers"], _to_bytes(recorded["body"]), recorded["is_cut"]
        )


@dataclass(frozen=True, slots=True)
class RunCode(Request[Json]):
    """One call of a function in the sandbox. Only the size of its source is recorded."""

    kind = OperationKind.CODE

    language: CodeLanguage
    source: str = field(repr=False)
    arguments: dict[str, Json] = field(repr=False)
    """The argument of `main`."""
    timeout: timedelta

    def described(self) -> Json:
        return {
            "language": str(self.language),
            "source_bytes": len(self.source.encode(errors="replace")),
        }

    def to_json(self, reply: Json) -> Json:
        return reply

    def from_json(self, recorded: Any) -> Json:
        return recorded


@dataclass(frozen=True, slots=True)
class AskPerson(Request[ReviewResult]):
    """A question to a person."""

    kind = OperationKind.ASK_PERSON
    waits_for_person = True

    message: str
    input: Json = field(repr=False)
    """The data to review."""
    editable: bool
    """Whether the reviewer can change the data."""
    assignees: tuple[str, ...]
    """Email addresses to notify."""
    until: datetime
    """When the review expires."""

    @property
    def size(self) -> int:
        return len(self.message)

    def described(self) -> Json:
        # The data is in the review's row.
        return {
            "message": self.message,
            "assignees": list(self.assignees),
            "editable": self.editable,
        }

    def to_json(self, reply: ReviewResult) -> Json:
        return {
            "decision": None if reply.decision is None else str(reply.decision),
            "comment": reply.comment,
            "output": reply.output,
            "reviewer": reply.reviewer,
            "decided_at": clock.iso(reply.decided_at),
        }

    def from_json(self, recorded: Any) -> ReviewResult:
        decision = recorded["decision"]
        return ReviewResult(
            recorded["output"],
            None if decision is None else ReviewDecision(decision),
            recorded["comment"],
            recorded["reviewer"],
            clock.parse(recorded["decided_at"]),
        )


def _to_text(content: bytes) -> Json:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
    # The store would replace U+0000.
    return text if "\x00" not in text else {"base64": base64.b64encode(content).decode()}


def _to_bytes(recorded: Any) -> bytes:
    return recorded.encode() if isinstance(recorded, str) else base64.b64decode(recorded["base64"])


def _size_of(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in headers.items())
