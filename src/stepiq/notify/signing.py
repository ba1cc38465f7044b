"""Signatures by which a receiver knows that a delivery comes from here and is whole."""

import base64
import hashlib
import hmac

_STANDARD_PREFIX = "whsec_"


def headers(secret: str, body: bytes, *, delivery_id: str, timestamp: int) -> dict[str, str]:
    """The headers that prove where a body comes from.

    `X-StepIQ-Signature` is always there; its key is the secret's UTF-8 bytes. A secret of `whsec_` and base64 also signs as
    Standard Webhooks 1.0 says; there, the key is what that base64 holds.

    Args:
        secret: as it is stored.
        body: the bytes that are sent.
        delivery_id: the same over all attempts.
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
        # Other senders' secrets begin like this, too, and are keys only as they are.
        return b""
