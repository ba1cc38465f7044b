"""Answers of a provider that a real one would not give: all are refused."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from stepiq.accounts.oidc.documents import MAX_BYTES
from stepiq.accounts.oidc.provider import LIFETIME, PAUSE
from stepiq.core import clock as clocks
from tests.accounts.oidc.conftest import failure, opened
from tests.support.false_oidc_provider import CLIENT_ID, CLIENT_SECRET, Key

pytestmark = [pytest.mark.one_store, pytest.mark.usefixtures("account")]

DISCOVERY = "/.well-known/openid-configuration"


def at(seconds):
    return int(clocks.now().timestamp()) + seconds


class TestIdToken:
    async def test_a_correct_one_is_accepted(self, false_provider, browser):
        assert opened(await browser.sign_in()) == "/"

    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({"iss": "https://evil.example"}, "wrong_issuer"),
            ({"iss": None}, "wrong_issuer"),
            ({"aud": "another-client"}, "token_invalid"),
            ({"aud": []}, "token_invalid"),
            ({"aud": None}, "token_invalid"),
            ({"aud": [CLIENT_ID, "another-client"]}, "token_invalid"),
            ({"azp": "another-client"}, "token_invalid"),
            ({"aud": [CLIENT_ID, "other"], "azp": "other"}, "token_invalid"),
            ({"nonce": "of another sign-in"}, "token_invalid"),
            ({"nonce": None}, "token_invalid"),
            ({"nonce": 1}, "token_invalid"),
            ({"sub": None}, "token_invalid"),
            ({"sub": ""}, "token_invalid"),
            ({"sub": "x" * 256}, "token_invalid"),
            ({"sub": 1}, "token_invalid"),
            ({"exp": None}, "token_invalid"),
            ({"exp": "tomorrow"}, "token_invalid"),
            ({"exp": True}, "token_invalid"),
            ({"iat": None}, "token_invalid"),
            ({"at_hash": "of another token"}, "token_invalid"),
            ({"at_hash": 1}, "token_invalid"),
        ],
    )
    async def test_a_wrong_claim_is_refused(self, false_provider, browser, claims, expected):
        false_provider.claims = claims

        answer = await browser.sign_in()

        assert failure(answer) == expected
        assert "stepiq_session" not in answer.headers["set-cookie"]

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": [CLIENT_ID]},
            {"aud": [CLIENT_ID, "another-client"], "azp": CLIENT_ID},
            {"azp": CLIENT_ID},
            {"at_hash": None},
            {"email_verified": "true"},
        ],
    )
    async def test_other_correct_forms_are_accepted(self, false_provider, browser, claims):
        false_provider.claims = claims

        assert opened(await browser.sign_in()) == "/"

    @pytest.mark.parametrize(
        ("name", "seconds", "is_accepted"),
        [
            ("exp", -30, True),
            ("exp", -61, False),
            ("iat", 30, True),
            ("iat", 120, False),
            ("iat", -3_700, False),
            ("nbf", 30, True),
            ("nbf", 120, False),
        ],
    )
    async def test_clocks_can_differ_by_a_minute(
        self, false_provider, browser, name, seconds, is_accepted
    ):
        false_provider.claims = {name: at(seconds)}

        answer = await browser.sign_in()

        assert (answer.status_code == 200) is is_accepted

    @pytest.mark.parametrize(
        "sign",
        [
            lambda claims: jwt.encode(claims, CLIENT_SECRET * 4, "HS256"),
            lambda claims: jwt.encode(claims, "", "none"),
            lambda claims: jwt.encode(claims, "x" * 64, "HS512", headers={"kid": "first"}),
            lambda _: "not.a.token",
            lambda _: "",
            lambda _: "x" * 70_000,
        ],
        ids=["client secret", "none", "HS512 with a kid", "garbage", "empty", "long"],
    )
    async def test_other_signatures_are_refused(self, false_provider, browser, sign):
        false_provider.sign = sign

        assert failure(await browser.sign_in()) == "token_invalid"

    async def test_the_public_key_is_not_a_symmetric_one(self, false_provider, browser):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = false_provider.keys[0].private.public_key()
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

        def sign(claims):
            import hmac

            def part(value):
                return base64.urlsafe_b64encode(value).rstrip(b"=")

            head = part(json.dumps({"alg": "HS256", "kid": "first"}).encode())
            signed = head + b"." + part(json.dumps(claims).encode())
            return (signed + b"." + part(hmac.digest(text, signed, "sha256"))).decode()

        false_provider.sign = sign

        assert failure(await browser.sign_in()) == "token_invalid"

    async def test_a_changed_token_is_refused(self, false_provider, browser):
        def sign(claims):
            head, _, signature = false_provider.signed(claims).split(".")
            changed = json.dumps({**claims, "sub": "eve"}).encode()
            return f"{head}.{base64.urlsafe_b64encode(changed).decode().rstrip('=')}.{signature}"

        false_provider.sign = sign

        assert failure(await browser.sign_in()) == "token_invalid"

    @pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"crit": ["x"]}])
    async def test_a_token_of_another_kind_is_refused(self, false_provider, browser, header):
        false_provider.sign = lambda claims: false_provider.signed(claims, **header)

        assert failure(await browser.sign_in()) == "token_invalid"


class TestKeys:
    async def test_an_unpublished_key_is_refused_and_fetched_once(self, false_provider, browser):
        false_provider.signs_with = Key("unpublished")

        failures = [failure(await browser.sign_in()) for _ in range(3)]

        assert failures == ["token_invalid"] * 3
        assert false_provider.count("/jwks") == 2

    async def test_after_a_pause_it_is_fetched_again(self, false_provider, browser, clock):
        false_provider.signs_with = Key("second")
        await browser.sign_in()
        clock.advance(PAUSE)
        false_provider.keys.append(false_provider.signs_with)

        assert opened(await browser.sign_in()) == "/"

    async def test_a_key_that_is_no_longer_published_expires(self, false_provider, browser, clock):
        old = false_provider.keys[0]
        await browser.sign_in()
        false_provider.keys, false_provider.signs_with = [Key("second")], old
        clock.advance(LIFETIME)

        assert failure(await browser.sign_in()) == "token_invalid"

    async def test_another_key_with_the_same_id_does_not_count(self, false_provider, browser):
        false_provider.signs_with = Key("first")

        assert failure(await browser.sign_in()) == "token_invalid"


class TestDocuments:
    async def test_they_are_fetched_once_an_hour(self, false_provider, browser, clock):
        for _ in range(3):
            await browser.sign_in()
        once = false_provider.count(DISCOVERY), false_provider.count("/jwks")
        clock.advance(LIFETIME)
        await browser.sign_in()

        assert once == (1, 1)
        assert (false_provider.count(DISCOVERY), false_provider.count("/jwks")) == (2, 2)

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (lambda: Response(status_code=503), "provider_unreachable"),
            (lambda: Response(status_code=404), "provider_misconfigured"),
            (lambda: Response("<html>"), "provider_misconfigured"),
            (lambda: JSONResponse(["issuer"]), "provider_misconfigured"),
            (lambda: Response(b'{"a": "' + b"x" * MAX_BYTES + b'"}'), "provider_misconfigured"),
            (lambda: RedirectResponse("/elsewhere"), "provider_misconfigured"),
            (lambda: JSONResponse({"issuer": "https://evil.example"}), "wrong_issuer"),
        ],
        ids=["503", "404", "HTML", "list", "large", "redirect", "another issuer"],
    )
    async def test_without_a_valid_document_nobody_is_sent_away(
        self, false_provider, browser, answer, expected
    ):
        false_provider.answers[DISCOVERY] = answer

        assert failure(await browser.start()) == expected

    @pytest.mark.parametrize(
        "change",
        [
            {"authorization_endpoint": None},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"token_endpoint": "ftp://127.0.0.1/token"},
            {"jwks_uri": "http://user:password@127.0.0.1/jwks"},
            {"jwks_uri": 7},
            {"userinfo_endpoint": "/userinfo"},
        ],
    )
    async def test_every_endpoint_must_be_a_url(self, false_provider, browser, change):
        false_provider.metadata = change

        assert failure(await browser.start()) == "provider_misconfigured"

    async def test_a_failure_is_remembered_for_a_moment(self, false_provider, browser, clock):
        false_provider.answers[DISCOVERY] = lambda: Response(status_code=503)
        for _ in range(3):
            await browser.start()
        asked = false_provider.count(DISCOVERY)
        del false_provider.answers[DISCOVERY]
        clock.advance(PAUSE)

        assert asked == 1
        assert opened(await browser.sign_in()) == "/"

    async def test_a_provider_that_is_not_running_is_unreachable(self, configure, browser):
        await configure({"issuer": "http://127.0.0.1:1", "client_id": CLIENT_ID})

        assert failure(await browser.start()) == "provider_unreachable"

    async def test_the_metadata_service_of_a_cloud_is_never_called(self, configure, browser):
        await configure({"issuer": "http://169.254.169.254", "client_id": CLIENT_ID})

        assert failure(await browser.start()) == "provider_misconfigured"


class TestTokenEndpoint:
    @pytest.mark.parametrize(
        ("methods", "authorization", "fields"),
        [
            (None, True, set()),
            (["client_secret_post", "client_secret_basic"], True, set()),
            (["client_secret_post"], False, {"client_id", "client_secret"}),
        ],
    )
    async def test_the_client_authenticates_as_the_provider_wants(
        self, false_provider, browser, methods, authorization, fields
    ):
        false_provider.metadata = {"token_endpoint_auth_methods_supported": methods}

        await browser.sign_in()

        sent = false_provider.token_requests[0]
        assert sent["authorization"].startswith("Basic ") is authorization
        assert {"client_id", "client_secret"} & sent.keys() == fields
        assert len(sent["code_verifier"]) == 43

    async def test_without_a_secret_the_id_is_sent(self, false_provider, configure, browser):
        await configure({"issuer": false_provider.issuer, "client_id": CLIENT_ID})

        opened(await browser.sign_in())

        sent = false_provider.token_requests[0]
        assert (sent["client_id"], sent["authorization"]) == (CLIENT_ID, "")

    async def test_an_unknown_method_is_a_fault_of_the_configuration(self, false_provider, browser):
        false_provider.metadata = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}

        assert failure(await browser.sign_in()) == "provider_misconfigured"

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (lambda: JSONResponse({"error": "invalid_grant"}, 400), "expired"),
            (lambda: JSONResponse({"error": "invalid_client"}, 401), "provider_misconfigured"),
            (lambda: JSONResponse({"access_token": "x"}), "provider_misconfigured"),
            (lambda: JSONResponse({"id_token": 5}), "provider_misconfigured"),
            (lambda: Response(status_code=500), "provider_unreachable"),
        ],
    )
    async def test_an_error_ends_the_sign_in(self, false_provider, browser, answer, expected):
        false_provider.answers["/token"] = answer

        assert failure(await browser.sign_in()) == expected


class TestResponse:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"iss": "https://evil.example"}, "wrong_issuer"),
            ({"state": "x"}, "expired"),
            ({"state": None}, "expired"),
            ({"code": None}, "expired"),
            ({"code": "x" * 5_000}, "expired"),
            ({"code": None, "error": "access_denied"}, "denied"),
            ({"code": None, "error": "server_error"}, "provider_unreachable"),
            ({"code": None, "error": "invalid_scope"}, "provider_misconfigured"),
            ({"code": None, "error": "<script>"}, "provider_misconfigured"),
        ],
    )
    async def test_a_wrong_parameter_ends_the_sign_in(
        self, false_provider, browser, change, expected
    ):
        false_provider.response = change

        assert failure(await browser.sign_in()) == expected

    async def test_an_announced_issuer_is_required(self, false_provider, browser):
        false_provider.metadata = {"authorization_response_iss_parameter_supported": True}

        assert failure(await browser.sign_in()) == "wrong_issuer"

    async def test_the_announced_issuer_is_accepted(self, false_provider, browser):
        false_provider.metadata = {"authorization_response_iss_parameter_supported": True}
        false_provider.response = {"iss": false_provider.issuer, "session_state": "x"}

        assert opened(await browser.sign_in()) == "/"


class TestUserinfo:
    async def test_it_must_be_of_the_same_person(self, false_provider, browser):
        false_provider.claims = {"email": None}
        false_provider.answers["/userinfo"] = lambda: JSONResponse(
            {"sub": "eve", "email": "a@b.cc"}
        )

        assert failure(await browser.sign_in()) == "token_invalid"

    async def test_it_is_called_only_if_a_claim_is_missing(self, false_provider, browser):
        await browser.sign_in()
        before = false_provider.count("/userinfo")
        false_provider.claims = {"email": None}

        opened(await browser.sign_in())

        assert (before, false_provider.count("/userinfo")) == (0, 1)

    async def test_groups_that_the_provider_leaves_out_end_the_sign_in(
        self, false_provider, configure, browser, make
    ):
        workspace = str(await make.workspace())
        groups = {"eng": {"role": "editor", "workspace": workspace}}
        await configure(false_provider.settings(groups=groups))
        false_provider.claims = {
            "_claim_names": {"groups": "src1"},
            "_claim_sources": {"src1": {"endpoint": "https://graph.example/groups"}},
        }

        assert failure(await browser.sign_in()) == "provider_misconfigured"


class TestLog:
    async def test_it_has_the_reason_and_no_secret(self, false_provider, browser, caplog):
        import structlog

        false_provider.claims = {"aud": "another-client"}
        with structlog.testing.capture_logs() as lines:
            path = await browser.come_back()
            await browser.client.get(path)

        text = json.dumps(lines)
        code = path.partition("code=")[2].partition("&")[0]
        line = next(each for each in lines if each["event"] == "sign_in_failed")
        assert line["reason"] == "the ID token is for another audience"
        assert (line["provider"], line["failure"]) == ("company", "token_invalid")
        for secret in (CLIENT_SECRET, false_provider.last_token, code):
            assert secret not in text


class TestLimits:
    async def test_a_client_can_start_120_sign_ins_a_minute(self, false_provider, browser, clock):
        for _ in range(120):
            assert "failure" not in (await browser.start()).headers["location"]

        refused = await browser.start()
        clock.advance(timedelta(minutes=1))
        later = await browser.start()

        assert failure(refused) == "too_many_attempts"
        assert "failure" not in later.headers["location"]


class TestStore:
    async def test_a_database_that_does_not_respond_leads_to_the_sign_in_page(
        self, false_provider, browser, monkeypatch
    ):
        from stepiq.accounts.oidc import queries
        from stepiq.store.database import StoreUnavailable

        async def spend(*_):
            raise StoreUnavailable("The database did not respond.")

        path = await browser.come_back()
        monkeypatch.setattr(queries, "spend", spend)

        assert failure(await browser.client.get(path)) == "unavailable"
