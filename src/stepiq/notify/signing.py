"""Signatures with which a receiver verifies the origin and integrity of a delivery."""

import base64
import hashlib
import hmac

_STANDARD_PREFIX = "whsec_"


def headers(secret: str, body: bytes, *, delivery_id: str, timestamp: int) -> dict[str, str]:
    """The signature headers of a request.

    `X-StepIQ-Signature` is always set; its key is the secret's UTF-8 bytes. For a secret of `whsec_` and base64,
    `webhook-signature` is set as well, as in Standard Webhooks 1.0; its key is the decoded base64.

    Args:
        secret: the signing secret as stored.
        body: the bytes that are sent.
        delivery_id: the same for all attempts.
        timestamp: Unix seconds of this attempt.
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
