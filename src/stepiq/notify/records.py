"""Data classes of deliveries, and of the requests and mails that their attempts send."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NotRequired, TypedDict
from uuid import UUID

from stepiq.core.json import Json
from stepiq.language.definitions.targets import ChatService
from stepiq.redaction.masking import Masker
from stepiq.store.states import DeliveryStatus, RunStatus, TargetType, TriggerType

ATTEMPTS = 4
"""Maximum attempts of a delivery. A redelivery adds as many."""
ATTEMPTS_KEPT = 100
"""Number of the newest attempts of a delivery that are kept."""
ATTEMPTS_LISTED = 10
"""Number of the newest attempts of each delivery in a list."""
PAUSES = (timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4))
"""Pauses between the end of an attempt and the start of the next."""


class EventName(StrEnum):
    """The event of a delivery."""

    COMPLETED = "pipeline.run.completed"
    FAILED = "pipeline.run.failed"
    TEST = "pipeline.test"
    REVIEW_REQUESTED = "review.requested"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver, recorded before it is sent."""

    number: int
    at: datetime
    status_code: int | None = None
    error: str | None = None
    duration_ms: int | None = None
    response_headers: dict[str, str] | None = None
    response_excerpt: str | None = None
    completed_at: datetime | None = None
    """None while the attempt is in flight, and if a crash interrupted it."""


class SentRequest(TypedDict):
    """The request of a webhook attempt as it is stored: secrets masked, and a hash instead of the body."""

    method: str
    url: str
    headers: dict[str, str]
    """Those of the target and of stepIQ, in the order in which they are sent."""
    pipeline_name: str
    """The only part of the body that can change after the attempt."""
    body_bytes: int
    body_sha256: str
    chat: NotRequired[str]
    """The chat service whose message was sent instead of an event."""
    link: NotRequired[str]
    """The link in this message."""


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """The request of a webhook attempt, with its body."""

    sent: SentRequest
    body: str | None
    """Exactly the bytes that were signed; None if they can no longer be built."""


class ShownTarget(TypedDict):
    """A target as the API shows it, without secrets, and the assignee of a review."""

    type: str
    url: NotRequired[str]
    to: NotRequired[str]
    review_id: NotRequired[str]
    assignee: NotRequired[int]


@dataclass(frozen=True, slots=True)
class NewTarget:
    """A target to create a delivery for."""

    type: TargetType
    path: str
    """Path in the definition, such as `output.deliver[0]`."""
    shown: ShownTarget


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event to send to one target."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_version: int
    run_id: UUID | None
    """None for a test event, which has no run."""
    event: EventName
    target_type: TargetType
    target_path: str
    target: ShownTarget
    status: DeliveryStatus
    ticket: int
    claim: int
    attempts_made: int
    attempts_allowed: int
    error: str | None
    created_at: datetime
    completed_at: datetime | None
    attempts: Sequence[Attempt] = field(default=())
    """Oldest first. The query that reads a delivery decides how many of the newest ones it has."""

    @property
    def is_first_attempt(self) -> bool:
        """Whether the next attempt is the first one, or the first one of a redelivery."""
        return self.attempts_allowed - self.attempts_made == ATTEMPTS

    @property
    def due_at(self) -> datetime | None:
        """When the next attempt may start; None: immediately."""
        left = self.attempts_allowed - self.attempts_made
        if self.is_first_attempt or not self.attempts:
            return None
        last = self.attempts[-1]
        # An interrupted attempt has no recorded end.
        return (last.completed_at or last.at) + PAUSES[ATTEMPTS - 1 - left]


@dataclass(frozen=True, slots=True)
class Occasion:
    """The data that a delivery reports."""

    pipeline_name: str
    plan: str
    """Name of the workspace's plan."""
    run_id: UUID
    status: RunStatus
    trigger_type: TriggerType
    started_at: datetime | None
    completed_at: datetime | None
    input_data: Json
    output: Json
    error: dict[str, Json] | None
    cost_usd_micros: int
    cost_complete: bool
    """Whether the cost has the price of every call."""
    failed_steps: int
    """Of a completed run: the failures that it passed over."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends the emails of a pipeline version: its author, or an owner of the workspace."""

    email: str
    is_disabled: bool
    """Whether all members of the workspace are disabled."""
    is_verified: bool
    """Whether its email address is verified."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended."""

    is_delivered: bool
    is_retryable: bool = False
    error: str | None = None
    """A sentence; None if delivered. `DeliveryWorker` masks its secrets."""
    status_code: int | None = None
    response_headers: dict[str, str] | None = None
    """Secrets masked."""
    response_excerpt: str | None = None
    """The first KiB of the response, secrets masked."""


@dataclass(frozen=True, slots=True)
class Unsendable:
    """The delivery cannot be sent."""

    reason: str
    """Shown to the pipeline's owner: what is wrong, and what to do."""
    masker: Masker = field(default_factory=lambda: Masker({}))
    """Masks the secrets that the reason can contain."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The recipient must confirm before the mail can be sent."""

    to: str
    sender: str
    """Email address of the sending account."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message for a chat service."""

    service: ChatService
    link: str
    """URL of the page of the run."""


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A webhook request, without the body and the headers that each attempt adds."""

    method: str
    url: str
    headers: dict[str, str]
    signing_secret: str | None
    """None for a message of a chat service, which is not signed."""
    occasion: Occasion
    shown: ShownTarget
    """The target as the API shows it."""
    shown_headers: dict[str, str]
    """The headers of `headers` as the API shows them."""
    masker: Masker
    message: ChatMessage | None
    """Sent instead of an event."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The request of one webhook attempt."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    sent: SentRequest
    """The request as it is stored."""
    masker: Masker


@dataclass(frozen=True, slots=True)
class MailCall:
    """A mail to one address."""

    to: str
    subject: str
    text: str
    shown: ShownTarget
    """The target as the API shows it."""
    masker: Masker
    is_confidential: bool = False
    """Whether the text contains a link that needs no credential. Replies may quote it, so they are not stored."""
