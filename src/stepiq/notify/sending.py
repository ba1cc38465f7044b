"""One webhook attempt: signs and sends a request, and evaluates the response."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from stepiq.core.control_characters import storable
from stepiq.core.http import (
    GuardedClient,
    NetworkFailure,
    Reply,
    RequestInvalid,
    Timeouts,
)
from stepiq.language import offload
from stepiq.notify import envelope
from stepiq.notify.records import (
    Attempt,
    Delivery,
    SentRequest,
    SignedRequest,
    Verdict,
    WebhookCall,
)
from stepiq.redaction.masking import EXCERPT_CHARACTERS, Masker, with_masked_host

_STANDARD_PREFIX = "whsec_"


def headers(secret: str, body: bytes, *, delivery_id: str, timestamp: int) -> dict[str, str]:
    """The signature headers of a request.

    `X-StepIQ-Signature` is always set; its key is the secret's UTF-8 bytes. For a secret of `whsec_` and base64,
    `webhook-signature` is set as well, as in Standard Webhooks 1.0; its key is the decoded base64.

    `timestamp`: Unix seconds of this attempt.
    """
    signed = b"%d.%b" % (timestamp, body)
    found = {
        "X-StepIQ-Timestamp": str(timestamp),
        "X-StepIQ-Signature": f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
    }
    if key := _standard_key(secret):
        digest = hmac.new(key, delivery_id.encode() + b"." + signed, hashlib.sha256).digest()
        found["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return found


def _standard_key(secret: str) -> bytes:
    if not secret.startswith(_STANDARD_PREFIX):
        return b""
    try:
        return base64.b64decode(secret.removeprefix(_STANDARD_PREFIX), validate=True)
    except ValueError:
        # A secret may start with the prefix without being base64. It then signs only as plain bytes.
        return b""


ATTEMPT = timedelta(seconds=10)
"""Time limit of one attempt, including the DNS lookup and reading the response."""
EXCERPT_BYTES = 1024
"""Maximum size of the stored excerpt of a response."""

_TIMEOUTS = Timeouts(connect=ATTEMPT, read=ATTEMPT, total=ATTEMPT)
_MAX_HEADERS = 64
_HEADERS_BYTES = 8 * 1024
"""Maximum size of the stored headers of a response."""


def sign(delivery: Delivery, call: WebhookCall, attempt: Attempt) -> SignedRequest:
    """The request of an attempt. The body and the signature have the time at which the attempt begins."""
    body = envelope.body(
        delivery, call.occasion, call.message, attempt=attempt.number, sent_at=attempt.at
    )
    ours = {"Content-Type": "application/json"}
    if call.signing_secret is not None:
        ours["X-StepIQ-Event"] = str(delivery.event)
        ours |= headers(
            call.signing_secret,
            body,
            delivery_id=str(delivery.id),
            timestamp=int(attempt.at.timestamp()),
        )
    sent: SentRequest = {
        "method": call.method,
        "url": call.shown.get("url", ""),
        "headers": {**call.shown_headers, **ours},
        "pipeline_name": call.occasion.pipeline_name,
        "body_bytes": len(body),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    if call.message is not None:
        sent["chat"] = str(call.message.service)
        sent["link"] = call.message.link
    return SignedRequest(
        method=call.method,
        url=call.url,
        headers={**call.headers, **ours},
        body=body,
        sent=sent,
        masker=call.masker,
    )


async def send(http: GuardedClient, request: SignedRequest) -> Verdict:
    """Send one attempt. Redirects are not followed. Only network errors, timeouts and 5xx are retryable.

    The error of the verdict can contain secrets.
    """

    async def shown(message: str) -> str:
        return await with_masked_host(message, request.url, request.masker)

    try:
        answer = await http.send(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            timeouts=_TIMEOUTS,
            max_bytes=EXCERPT_CHARACTERS,
        )
    except RequestInvalid as error:
        return Verdict(is_delivered=False, error=await shown(error.message))
    if isinstance(answer, NetworkFailure):
        answer = replace(answer, message=await shown(answer.message))
    return await verdict_on(answer, request.masker)


async def verdict_on(answer: Reply | NetworkFailure, masker: Masker) -> Verdict:
    """Evaluate a response. Long ones are masked off the event loop: headers full of escapes take tenths of a second."""
    if not masker.is_slow(_size(answer)):
        return _verdict(answer, masker)
    return await offload.compute(_verdict, answer, masker)


def _size(answer: Reply | NetworkFailure) -> int:
    if isinstance(answer, NetworkFailure):
        return 0
    return len(answer.body) + sum(len(name) + len(value) for name, value in answer.headers.items())


def _verdict(answer: Reply | NetworkFailure, masker: Masker) -> Verdict:
    status_code = answer.status_code
    if status_code is None:
        assert isinstance(answer, NetworkFailure)  # noqa: S101 - a reply has a status
        return Verdict(is_delivered=False, is_retryable=True, error=answer.message)
    # The status decides, even if the body timed out or was incomplete.
    error = _problem(status_code)
    has_body = isinstance(answer, Reply)
    return Verdict(
        is_delivered=error is None,
        is_retryable=status_code >= 500,
        error=error,
        status_code=status_code,
        response_headers=_headers(answer.headers, masker) if has_body else None,
        response_excerpt=excerpt(answer.body, masker, is_cut=answer.is_cut) if has_body else None,
    )


def _problem(status_code: int) -> str | None:
    if 200 <= status_code < 300:
        return None
    if 300 <= status_code < 400:
        return f"The receiver returned {status_code}, but redirects are not followed. Correct the target's `url`."
    return f"The receiver returned {status_code}."


def _headers(headers: Mapping[str, str], masker: Masker) -> dict[str, str]:
    """The first headers that fit, up to a number and a size."""
    kept: dict[str, str] = {}
    left = _HEADERS_BYTES
    for name, value in islice(headers.items(), _MAX_HEADERS):
        shown_name, shown_value = _shown(name, masker), _shown(value, masker)
        size = len(shown_name.encode()) + len(shown_value.encode())
        if size <= left:
            kept[shown_name] = shown_value
            left -= size
    return kept


def excerpt(body: bytes, masker: Masker, *, is_cut: bool) -> str:
    """The first KiB of a response as storable text, secrets masked.

    `is_cut`: whether the body continues. An end that may be the start of a secret is then omitted.
    """
    text = body.decode("utf-8", "replace")
    # The cut may be inside a character.
    return _shown(text.rstrip("\ufffd") if is_cut else text, masker, is_cut=is_cut)


def _shown(text: str, masker: Masker, *, is_cut: bool = False) -> str:
    # One character more than the limit, so that the masker detects that the text continues.
    masked = masker.excerpt(storable(text[: EXCERPT_CHARACTERS + 1]), is_cut=is_cut)
    return masked.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")
