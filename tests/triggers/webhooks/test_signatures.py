import base64
import hashlib
import hmac
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook
from starlette.datastructures import Headers

from stepiq.language.definitions.targets import VerifyScheme, VerifySpec
from stepiq.triggers.webhooks.errors import SignatureInvalid, SignatureSecretUnusable
from stepiq.triggers.webhooks.signatures import verify

NOW = datetime(2026, 2, 27, 10, 0, 0, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
BODY = b'{"action": "opened",  "number": 1}\n'
SECRET = "It's a Secret to Everybody"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def check(scheme, headers, *, body=BODY, secret=SECRET, now=NOW, header="X-Signature"):
    verify(VerifySpec(VerifyScheme(scheme), "KEY", header), secret, Headers(headers), body, now)


def refusal(scheme, headers, **options) -> str:
    with pytest.raises(SignatureInvalid) as caught:
        check(scheme, headers, **options)
    return caught.value.message


def openssl(body: bytes, secret: str = SECRET, *form: str) -> bytes:
    """What another program says the signature is."""
    command = ["openssl", "dgst", "-sha256", "-hmac", secret, *form]
    return subprocess.run(command, input=body, capture_output=True, check=True).stdout


def openssl_hex(body: bytes, secret: str = SECRET) -> str:
    return openssl(body, secret).decode().split()[-1]


def stripe(seconds: str = SECONDS, body: bytes = BODY) -> dict[str, str]:
    signature = openssl_hex(seconds.encode() + b"." + body)
    return {"Stripe-Signature": f"t={seconds},v1={signature},v0=6ffbb59b"}


def standard(at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    signature = Webhook(STANDARD_SECRET).sign("msg_1", at, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


class TestGithub:
    def test_the_vector_of_its_documentation_is_taken(self):
        signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

        check("github", {"X-Hub-Signature-256": signature}, body=b"Hello, World!")

    def test_what_openssl_signs_is_taken(self):
        check("github", {"x-hub-signature-256": f"sha256={openssl_hex(BODY)}"})

    @pytest.mark.parametrize(
        ("headers", "message"),
        [
            ({}, "X-Hub-Signature-256 is missing"),
            ({"X-Hub-Signature-256": " "}, "X-Hub-Signature-256 is missing"),
            ({"X-Hub-Signature": "sha1=00"}, "X-Hub-Signature-256 is missing"),
            ({"X-Hub-Signature-256": "sha1=00"}, "sha256=HEX"),
            ({"X-Hub-Signature-256": "sha256="}, "does not match"),
            ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, "does not match"),
            ({"X-Hub-Signature-256": "sha256=é"}, "does not match"),
        ],
    )
    def test_anything_else_is_refused_with_what_is_wrong(self, headers, message):
        assert message in refusal("github", headers)


class TestStripe:
    def test_what_openssl_signs_is_taken(self):
        check("stripe", stripe())

    def test_one_of_several_signatures_is_enough(self):
        header = stripe()["Stripe-Signature"].replace(",v1=", f", v1={'0' * 64}, v1=")

        check("stripe", {"Stripe-Signature": header})

    @pytest.mark.parametrize("minutes", [-5, 5])
    def test_five_minutes_are_tolerated_and_no_more(self, minutes):
        off = timedelta(minutes=minutes)

        check("stripe", stripe(), now=NOW + off)
        assert "more than 5 minutes" in refusal("stripe", stripe(), now=NOW + off * 1.01)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("", "Stripe-Signature is missing"),
            ("nonsense", "must contain t=SECONDS and v1=HEX"),
            (f"t={SECONDS}", "must contain t=SECONDS and v1=HEX"),
            ("v1=00", "must contain t=SECONDS and v1=HEX"),
            ("t=x,v1=00", "Unix time"),
            ("t=-5,v1=00", "Unix time"),
            ("t=" + "9" * 5_000 + ",v1=00", "Unix time"),
            ("t=²,v1=00", "Unix time"),
            (f"t={SECONDS},v1=00", "does not match"),
            (f"t={SECONDS},v0={openssl_hex(SECONDS.encode() + b'.' + BODY)}", "v1=HEX"),
        ],
    )
    def test_anything_else_is_refused_with_what_is_wrong(self, header, message):
        assert message in refusal("stripe", {"Stripe-Signature": header})


class TestStandard:
    def test_the_vector_of_the_specification_is_taken(self):
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }

        check(
            "standard",
            headers,
            body=b'{"test": 2432232314}',
            secret=STANDARD_SECRET,
            now=datetime.fromtimestamp(1614265330, UTC),
        )

    def test_what_the_standardwebhooks_package_signs_is_taken(self):
        check("standard", standard(), secret=STANDARD_SECRET)
        check("standard", standard(), secret=STANDARD_SECRET.removeprefix("whsec_"))

    def test_one_of_several_signatures_is_enough(self):
        headers = standard()
        headers["webhook-signature"] = f"v1a,xx v1,{'A' * 43}= {headers['webhook-signature']}"

        check("standard", headers, secret=STANDARD_SECRET)

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_an_old_or_early_one_is_refused(self, minutes):
        headers = standard(NOW + timedelta(minutes=minutes))

        assert "more than 5 minutes" in refusal("standard", headers, secret=STANDARD_SECRET)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_every_header_is_needed(self, name):
        headers = standard()
        del headers[name]

        assert f"{name} is missing" in refusal("standard", headers, secret=STANDARD_SECRET)

    def test_a_signature_of_another_version_does_not_count(self):
        headers = standard()
        headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")

        assert "v1,BASE64" in refusal("standard", headers, secret=STANDARD_SECRET)

    def test_another_id_does_not_fit(self):
        headers = {**standard(), "webhook-id": "msg_2"}

        assert "does not match" in refusal("standard", headers, secret=STANDARD_SECRET)

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_###", "not base64!", "whsec_é"])
    def test_a_secret_that_is_no_key_is_told_to_the_owner(self, secret):
        with pytest.raises(SignatureSecretUnusable, match="`KEY` cannot verify"):
            check("standard", standard(), secret=secret)


class TestHmac:
    @pytest.mark.parametrize("header", ["X-Signature", "X-Shop-Hmac-Sha256"])
    def test_hex_and_base64_are_taken_from_the_header_that_is_named(self, header):
        in_hex = openssl_hex(BODY)
        in_base64 = base64.b64encode(openssl(BODY, SECRET, "-binary")).decode()

        for value in (in_hex, in_hex.upper(), in_base64, f"sha256={in_hex}", f"sha256={in_base64}"):
            check("hmac-sha256", {header: value}, header=header)

    @pytest.mark.parametrize("value", ["x", "sha256=", "é", "0" * 64])
    def test_anything_else_is_refused(self, value):
        assert "does not match" in refusal("hmac-sha256", {"X-Signature": value})

    def test_another_header_does_not_count(self):
        message = refusal("hmac-sha256", {"X-Signature": openssl_hex(BODY)}, header="X-Mine")

        assert "X-Mine is missing" in message


class TestVerify:
    @pytest.mark.parametrize("scheme", list(VerifyScheme))
    def test_nothing_is_checked_with_an_empty_secret(self, scheme):
        with pytest.raises(SignatureSecretUnusable, match="its value is empty"):
            check(scheme, {}, secret="")

    def test_messages_never_show_secret_or_signature(self):
        right = openssl_hex(BODY)
        message = refusal("github", {"X-Hub-Signature-256": f"sha256={right[:-1]}x"})

        assert right[:8] not in message
        assert SECRET not in message

    @pytest.mark.parametrize("scheme", list(VerifyScheme))
    @given(data=st.data())
    def test_one_flipped_bit_of_the_body_is_noticed(self, scheme, data):
        headers = _signed(scheme)
        place = data.draw(st.integers(0, len(BODY) * 8 - 1))
        changed = bytearray(BODY)
        changed[place // 8] ^= 1 << place % 8
        secret = STANDARD_SECRET if scheme is VerifyScheme.STANDARD else SECRET

        check(scheme, headers, secret=secret)
        assert "does not match" in refusal(scheme, headers, body=bytes(changed), secret=secret)

    @pytest.mark.parametrize("scheme", list(VerifyScheme))
    @given(text=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80))
    def test_no_other_header_is_ever_taken_or_breaks(self, scheme, text):
        headers = dict.fromkeys(
            ("X-Hub-Signature-256", "Stripe-Signature", "webhook-id", "webhook-timestamp",
             "webhook-signature", "X-Signature"),
            text,
        )  # fmt: skip
        secret = STANDARD_SECRET if scheme is VerifyScheme.STANDARD else SECRET

        assert re.search(r"\.$", refusal(scheme, headers, secret=secret))


def _signed(scheme: VerifyScheme) -> dict[str, str]:
    in_hex = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    match scheme:
        case VerifyScheme.GITHUB:
            return {"X-Hub-Signature-256": f"sha256={in_hex}"}
        case VerifyScheme.STRIPE:
            return _STRIPE
        case VerifyScheme.STANDARD:
            return standard()
        case VerifyScheme.HMAC_SHA256:
            return {"X-Signature": in_hex}


_STRIPE = stripe()
