import re
from datetime import timedelta

import pytest
from fastapi import Request, Response

from stepiq.accounts.oidc.http import LIFETIME, PendingSignIns, local_path

SITE = "https://stepiq.example.com"


def pending_at(base_url=SITE, key=b"key"):
    return PendingSignIns(key, base_url)


def cookie_of(signins, pending):
    response = Response()
    signins.set(response, pending)
    name, _, rest = response.headers["set-cookie"].partition("=")
    return name, rest.partition(";")[0], rest


def request_with(name, value):
    header = (b"cookie", f"{name}={value}".encode())
    return Request({"type": "http", "headers": [header]})


def kept(signins, pending):
    name, value, _ = cookie_of(signins, pending)
    return request_with(name, value)


class TestCookie:
    def test_it_is_sent_with_the_redirect_from_the_provider_and_not_to_scripts(self):
        signins = pending_at()
        pending = signins.begin("google", next_page="/runs", session_id=None)

        name, _, attributes = cookie_of(signins, pending)

        assert name == "__Host-stepiq_sign_in"
        assert sorted(attributes.split("; ")[1:]) == [
            "HttpOnly",
            f"Max-Age={int(LIFETIME.total_seconds())}",
            "Path=/",
            "SameSite=lax",
            "Secure",
        ]

    def test_without_tls_its_name_has_the_port(self):
        assert pending_at("http://127.0.0.1:8080").name == "stepiq_sign_in_8080"

    def test_it_keeps_the_sign_in(self):
        signins = pending_at()
        pending = signins.begin("google", next_page="/runs?a=b", session_id=None)

        found = signins.read(kept(signins, pending))

        assert found is not None
        assert (found.provider, found.next, found.id) == ("google", "/runs?a=b", pending.id)
        assert signins.is_state(found, signins.state(pending))

    def test_it_does_not_contain_what_the_provider_gets(self):
        signins = pending_at()
        pending = signins.begin("google", next_page="/", session_id=None)

        _, value, _ = cookie_of(signins, pending)

        for secret in (signins.state, signins.nonce, signins.verifier, signins.challenge):
            assert secret(pending) not in value

    def test_another_server_does_not_accept_it(self):
        pending = pending_at().begin("google", next_page="/", session_id=None)

        assert pending_at(key=b"other").read(kept(pending_at(), pending)) is None

    def test_it_expires(self, clock):
        signins = pending_at()
        request = kept(signins, signins.begin("google", next_page="/", session_id=None))
        clock.advance(LIFETIME - timedelta(seconds=1))
        late = signins.read(request)
        clock.advance(timedelta(seconds=2))

        assert late is not None
        assert signins.read(request) is None

    @pytest.mark.parametrize("value", ["", ".", "x.y", "é.é", "x" * 5_000, "e30.x"])
    def test_a_forged_one_counts_as_none(self, value):
        header = (b"cookie", f"__Host-stepiq_sign_in={value}".encode())

        assert pending_at().read(Request({"type": "http", "headers": [header]})) is None

    def test_a_changed_one_counts_as_none(self):
        signins = pending_at()
        name, value, _ = cookie_of(signins, signins.begin("google", next_page="/", session_id=None))
        payload, _, proof = value.partition(".")

        assert signins.read(request_with(name, f"{payload}x.{proof}")) is None


class TestValues:
    def test_each_sign_in_has_its_own(self):
        signins = pending_at()
        first, second = (signins.begin("google", next_page="/", session_id=None) for _ in range(2))

        values = [
            derive(each)
            for each in (first, second)
            for derive in (signins.state, signins.nonce, signins.verifier, signins.challenge)
        ]

        assert len(set(values)) == 8
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in values)

    def test_the_challenge_is_that_of_the_verifier(self):
        import base64
        import hashlib

        signins = pending_at()
        pending = signins.begin("google", next_page="/", session_id=None)

        digest = hashlib.sha256(signins.verifier(pending).encode()).digest()

        assert signins.challenge(pending) == base64.urlsafe_b64encode(digest).decode().rstrip("=")


class TestLocalPath:
    @pytest.mark.parametrize(
        "path", ["/", "/runs", "/runs?status=failed&q=a%20b#x", "/settings/profile"]
    )
    def test_a_page_of_the_server_is_kept(self, path):
        assert local_path(path) == path

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "runs",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/runs\n",
            "/ä",
            "/" + "a" * 1_000,
            "/api/auth/logout",
            "/v1/api/runs",
        ],
    )
    def test_anything_else_becomes_the_first_page(self, path):
        assert local_path(path) == "/"
