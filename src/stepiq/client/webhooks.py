"""Webhooks that the server sends after a run: verify their signature, and read the event."""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, ValidationError

from stepiq.client.base import OPEN, ApiModel, Json, adapter_of
from stepiq.client.errors import WebhookInvalidError

TOLERANCE = 300.0
"""Seconds by which the time of a signature may differ from the clock of the receiver."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v1=[0-9a-f]{64}")


class ReceivedHeaders(Protocol):
    """The headers of a request, as any framework has them."""

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Names and values."""
        ...


class WebhookPipeline(ApiModel):
    """The pipeline of the run."""

    id: str
    version: int
    name: str


class WebhookRun(ApiModel):
    """The run that has ended. `client.runs.get(id)` returns the rest of it."""

    id: str
    status: Annotated[Literal["completed", "failed"], OPEN]
    trigger_type: str
    started_at: datetime | None
    completed_at: datetime | None


class WebhookAttempt(ApiModel):
    """The attempt to deliver the event."""

    sent_at: datetime
    attempt: int


class WebhookFailure(ApiModel):
    """Why a run has failed."""

    code: str
    message: str
    step_id: str | None = None


class WebhookBase(ApiModel):
    """What all events have."""

    delivery_id: str = ""
    """The `webhook-id`: the same for all attempts. Ignore an event whose id you have processed."""
    pipeline: WebhookPipeline
    run: WebhookRun
    input: Json
    output: Json
    meta: WebhookAttempt


class RunCompletedWebhook(WebhookBase):
    """A run has completed."""

    event: Literal["pipeline.run.completed"]


class RunFailedWebhook(WebhookBase):
    """A run has failed."""

    event: Literal["pipeline.run.failed"]
    error: WebhookFailure


class TestWebhook(WebhookBase):
    """A test event. Its run does not exist."""

    __test__ = False  # not a test of pytest

    event: Literal["pipeline.test"]
    test: bool = True


class OtherWebhook(WebhookBase):
    """An event that a newer server has added."""

    event: str


WebhookEvent = Annotated[
    RunCompletedWebhook | RunFailedWebhook | TestWebhook | OtherWebhook,
    Field(union_mode="left_to_right"),
]


def unwrap(
    body: bytes,
    headers: ReceivedHeaders,
    secret: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE,
) -> WebhookEvent:
    """Verify that the server has sent a request, and return its event.

    Args:
        body: the exact bytes of the request, before a framework parses them.
        headers: the headers of the request. The names can have any case.
        secret: the signing secret, or several while you change it.
        tolerance: seconds by which the time of the signature may differ from the clock.

    Raises:
        WebhookInvalidError: the request is not from the server, is too old, or is no event. Respond with 401.
    """
    found = {str(name).lower(): value for name, value in headers.items()}
    secrets = [secret] if isinstance(secret, str) else [*secret]
    if not secrets or not all(secrets):
        raise ValueError("Give at least one secret, and no empty one.")
    timestamp, signature = found.get("x-stepiq-timestamp"), found.get("x-stepiq-signature")
    if not _matches(_TIMESTAMP, timestamp) or not _matches(_SIGNATURE, signature):
        raise WebhookInvalidError(
            "The request has no valid X-StepIQ-Timestamp or X-StepIQ-Signature."
        )
    signed = str(timestamp).encode() + b"." + body
    # Every secret is compared, so that the time does not show which one fits.
    fits = [hmac.compare_digest(_signature(each, signed), str(signature)) for each in secrets]
    if not any(fits):
        raise WebhookInvalidError(
            "The signature does not match: the secret is different, or the body was changed."
        )
    if abs(time.time() - int(str(timestamp))) > tolerance:
        raise WebhookInvalidError(f"The signature is more than {tolerance:g} seconds old or ahead.")
    return _event(body, found.get("webhook-id"))


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _signature(secret: str, signed: bytes) -> str:
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def _event(body: bytes, delivery_id: str | None) -> WebhookEvent:
    try:
        event: WebhookEvent = adapter_of(WebhookEvent).validate_json(body)
    except ValidationError:
        raise WebhookInvalidError("The body is signed, but it is not an event of stepIQ.") from None
    event.delivery_id = delivery_id or ""
    return event
