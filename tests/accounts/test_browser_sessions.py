import re
from datetime import datetime, timedelta

import pytest

from stepiq.accounts.credentials.cookie import SessionCookies
from stepiq.accounts.credentials.tokens import ACCESS_LIFETIME, REFRESH_LIFETIME
from stepiq.accounts.sessions.service import EXTENSION_INTERVAL
from stepiq.accounts.signing_in.endpoints import SESSION_PATH as PATH
from stepiq.core import clock as clocks
from tests.support.clients import outcome, session_headers
from tests.support.make_accounts import PASSWORD

SESSION = f"/api{PATH}"
ME = "/api/user/me"
COOKIE = "stepiq_session_8080"
NEW = "a different horse"


@pytest.fixture
def sign_in(client, account):
    """Signs `account` in, and returns the response. `client` then has the cookie."""

    async def sign_in(password=PASSWORD, **headers):
        body = {"email": account.email, "password": password}
        return await client.post(SESSION, json=body, headers=headers)

    return sign_in


@pytest.fixture
async def csrf(sign_in):
    """`client` is signed in. The header for its requests that change something."""
    return {"X-CSRF-Token": (await sign_in()).json()["csrf_token"]}


def replace_cookie(client, value):
    client.cookies.clear()
    client.cookies.set(COOKIE, value)


def cookies_at(base_url):
    return SessionCookies(b"key", base_url)


class TestOpen:
    async def test_it_sets_a_cookie_that_scripts_and_other_sites_cannot_use(self, sign_in, account):
        response = await sign_in()

        body = response.json()
        attributes = response.headers["Set-Cookie"].split("; ")
        assert response.status_code == 200
        assert body["user"]["email"] == account.email
        assert body.keys() == {"user", "csrf_token", "expires_at"}
        assert sorted(attributes[1:]) == [
            "HttpOnly",
            f"Max-Age={int(REFRESH_LIFETIME.total_seconds())}",
            "Path=/",
            "SameSite=strict",
        ]
        assert response.headers["Cache-Control"] == "no-store"

    async def test_no_value_in_the_body_is_the_credential(self, sign_in, client):
        response = await sign_in()

        value = client.cookies[COOKIE]
        signature = value.partition(".")[2]
        assert len(signature) == 43
        assert signature not in response.text

    @pytest.mark.one_store
    @pytest.mark.parametrize(
        ("base_url", "name"),
        [
            ("http://127.0.0.1:8080", "stepiq_session_8080"),
            ("http://127.0.0.1:9000", "stepiq_session_9000"),
            ("http://stepiq.lan", "stepiq_session"),
            ("https://stepiq.example.com", "__Host-stepiq_session"),
            ("https://stepiq.example.com:443", "__Host-stepiq_session"),
            ("https://stepiq.example.com:8443", "__Host-stepiq_session_8443"),
        ],
    )
    def test_servers_on_one_host_have_different_names(self, base_url, name):
        assert cookies_at(base_url).name == name

    @pytest.mark.one_store
    def test_with_https_the_cookie_is_secure(self):
        from fastapi import Response

        from stepiq.core import ids

        response = Response()
        cookies = cookies_at("https://stepiq.example.com")

        cookies.set(response, ids.uuid7(), expires_at=clocks.now() + REFRESH_LIFETIME)
        cookies.clear(response)

        made = [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]
        assert len(made) == 2
        assert all(re.search(r"; Secure\b", each) and "; Path=/" in each for each in made)
        assert not any("Domain" in each for each in made)

    async def test_a_wrong_password_sets_nothing(self, sign_in):
        response = await sign_in("wrong horse")

        assert outcome(response) == (401, "login_failed")
        assert "Set-Cookie" not in response.headers

    async def test_failures_count_together_with_those_of_logins(self, sign_in, client, account):
        body = {"email": account.email, "password": "wrong horse"}
        for _ in range(5):
            await client.post("/api/auth/login", json=body)
            await sign_in("wrong horse")

        assert outcome(await sign_in()) == (429, "too_many_attempts")

    async def test_a_page_of_another_site_cannot_sign_a_person_in(self, sign_in):
        response = await sign_in(**{"Sec-Fetch-Site": "cross-site"})

        assert outcome(response) == (403, "cross_site_request")
        assert "Set-Cookie" not in response.headers


class TestRead:
    async def test_it_returns_what_the_login_returned(self, sign_in, client):
        opened = (await sign_in()).json()

        response = await client.get(SESSION)

        assert response.status_code == 200
        assert response.json() == opened
        assert "Set-Cookie" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"

    async def test_without_a_cookie_there_is_no_session(self, client):
        assert outcome(await client.get(SESSION)) == (401, "credential_missing")

    async def test_a_cookie_with_a_backslash_does_not_hide_the_others(self, sign_in, client):
        opened = (await sign_in()).json()
        foreign = 'foreign="' + "\\x" * 5_000 + '"'
        cookies = f"{foreign}; {COOKIE}={client.cookies[COOKIE]}; last=1"
        client.cookies.clear()

        response = await client.get(SESSION, headers={"Cookie": cookies})

        assert response.json() == opened

    async def test_it_extends_the_session_like_a_refresh(self, sign_in, client, clock):
        opened = (await sign_in()).json()
        clock.advance(REFRESH_LIFETIME - timedelta(minutes=1))
        await client.get(SESSION)
        clock.advance(REFRESH_LIFETIME - timedelta(minutes=1))

        response = await client.get(SESSION)

        assert response.status_code == 200
        assert response.json()["csrf_token"] == opened["csrf_token"]
        ends_in = datetime.fromisoformat(response.json()["expires_at"]) - clock.now()
        assert REFRESH_LIFETIME - timedelta(minutes=1) < ends_in <= REFRESH_LIFETIME
        assert f"Max-Age={int(REFRESH_LIFETIME.total_seconds())}" in response.headers["Set-Cookie"]

    async def test_it_extends_it_once_an_hour(self, sign_in, client, clock):
        await sign_in()
        clock.advance(EXTENSION_INTERVAL - timedelta(seconds=1))
        early = await client.get(SESSION)
        clock.advance(timedelta(seconds=1))

        late = await client.get(SESSION)

        assert "Set-Cookie" not in early.headers
        assert "Set-Cookie" in late.headers

    async def test_without_use_it_ends_after_30_days(self, sign_in, client, clock):
        await sign_in()
        clock.advance(REFRESH_LIFETIME)

        assert outcome(await client.get(SESSION)) == (401, "credential_invalid")

    async def test_a_token_neither_extends_nor_sets_anything(
        self, app, client, make, account, clock
    ):
        headers = await session_headers(app, make, account)
        opened = await client.get(SESSION, headers=headers)
        clock.advance(ACCESS_LIFETIME - timedelta(minutes=1))

        later = await client.get(SESSION, headers=headers)

        assert later.json() == opened.json()
        assert "Set-Cookie" not in later.headers

    async def test_a_key_has_none(self, client, make, account):
        key = await make.api_key(account)

        response = await client.get(SESSION, headers={"X-API-Key": key.text})

        assert outcome(response) == (403, "session_required")


class TestEnd:
    async def test_it_ends_the_session_and_removes_the_cookie(self, client, csrf):
        value = client.cookies[COOKIE]

        response = await client.delete(SESSION, headers=csrf)

        assert (response.status_code, response.json()) == (200, {"sessions_ended": 1})
        assert 'stepiq_session_8080=""' in response.headers["Set-Cookie"]
        assert "Max-Age=0" in response.headers["Set-Cookie"]
        assert not client.cookies
        replace_cookie(client, value)
        assert outcome(await client.get(ME)) == (401, "credential_invalid")

    async def test_other_sessions_stay(self, client, csrf, app, make, account):
        other = await session_headers(app, make, account)

        await client.delete(SESSION, headers=csrf)

        assert (await client.get(ME, headers=other)).status_code == 200

    async def test_a_logout_everywhere_ends_it(self, client, csrf, app, make, account):
        other = await session_headers(app, make, account)

        await client.post("/api/auth/logout", json={"all": True}, headers=other)

        assert outcome(await client.get(ME)) == (401, "credential_invalid")

    async def test_a_new_password_in_another_session_ends_it(
        self, client, csrf, app, make, account
    ):
        other = await session_headers(app, make, account)
        body = {"current_password": PASSWORD, "new_password": NEW}

        changed = await client.post("/api/user/password", json=body, headers=other)

        assert changed.json() == {"sessions_ended": 1}
        assert outcome(await client.get(ME)) == (401, "credential_invalid")

    async def test_it_changes_its_own_password_and_stays(self, client, csrf):
        body = {"current_password": PASSWORD, "new_password": NEW}

        changed = await client.post("/api/user/password", json=body, headers=csrf)

        assert changed.status_code == 200
        assert (await client.get(ME)).status_code == 200

    async def test_a_disabled_account_has_none(self, client, csrf, make, account, clock):
        await make.disable(account)
        clock.advance(timedelta(seconds=6))

        assert outcome(await client.get(ME)) == (401, "credential_invalid")


class TestCookie:
    async def test_it_reads_and_changes_like_a_token(self, client, csrf):
        body = {"name": "CI"}

        made = await client.post("/api/user/api-keys", json=body, headers=csrf)
        listed = await client.get("/api/user/api-keys")

        assert made.status_code == 201
        assert [each["name"] for each in listed.json()["data"]] == ["CI"]

    @pytest.mark.one_store
    @pytest.mark.parametrize(
        "change", [lambda v: v[:-1], lambda v: v + "x", lambda v: v[36:], str.upper]
    )
    async def test_a_changed_value_is_refused(self, client, csrf, change):
        replace_cookie(client, change(client.cookies[COOKIE]))

        assert outcome(await client.get(ME)) == (401, "credential_invalid")

    @pytest.mark.one_store
    async def test_the_signature_of_another_session_is_refused(self, client, csrf, sign_in):
        first = client.cookies[COOKIE]
        await sign_in()
        second = client.cookies[COOKIE]
        replace_cookie(client, f"{first[:36]}{second[36:]}")

        assert outcome(await client.get(ME)) == (401, "credential_invalid")

    @pytest.mark.one_store
    async def test_neither_an_access_token_nor_a_csrf_token_is_a_cookie(
        self, app, client, make, account, csrf
    ):
        value = client.cookies[COOKIE]
        token = (await session_headers(app, make, account))["Authorization"].removeprefix("Bearer ")
        for forged in (token, f"{value[:36]}.{csrf['X-CSRF-Token']}"):
            replace_cookie(client, forged)
            assert outcome(await client.get(ME)) == (401, "credential_invalid")

    @pytest.mark.one_store
    async def test_it_is_no_access_token(self, client, csrf):
        value = client.cookies[COOKIE]

        response = await client.get(ME, headers={"Authorization": f"Bearer {value}"})

        assert outcome(response) == (401, "credential_invalid")

    async def test_a_credential_in_a_header_wins(self, app, client, csrf, make, stranger):
        key = await make.api_key(stranger)

        response = await client.get(ME, headers={"X-API-Key": key.text})
        changing = await client.post(
            "/api/auth/logout", headers=await session_headers(app, make, stranger)
        )

        assert response.json()["email"] == stranger.email
        assert changing.status_code == 200

    async def test_also_if_it_is_not_valid(self, client, csrf):
        for headers in ({"X-API-Key": "sk_live_x"}, {"Authorization": "Bearer x"}):
            assert outcome(await client.get(ME, headers=headers)) == (401, "credential_invalid")

    @pytest.mark.one_store
    async def test_metrics_do_not_accept_it(self, client, csrf, settings):
        from pydantic import SecretStr

        settings.metrics_token = SecretStr("a token of the operator")

        assert outcome(await client.get("/metrics")) == (401, "metrics_token_invalid")

    @pytest.mark.one_store
    async def test_inbound_webhooks_do_not_accept_it(self, client, csrf, make, account):
        pipeline = await make.pipeline(account)

        response = await client.post(f"/api/webhooks/{pipeline}", json={}, headers=csrf)

        assert outcome(response) == (401, "api_key_required")

    @pytest.mark.one_store
    async def test_public_routes_ignore_it(self, client, csrf):
        replace_cookie(client, "x")

        assert (await client.get("/health")).status_code == 200

    async def test_it_counts_towards_the_request_limit(self, client, make):
        limited = await make.user(plan="free")
        await client.post(SESSION, json={"email": limited.email, "password": PASSWORD})

        response = await client.get(ME)

        assert (
            int(response.headers["RateLimit-Remaining"])
            == int(response.headers["RateLimit-Limit"]) - 1
        )


@pytest.mark.one_store
class TestCsrf:
    @pytest.mark.parametrize("token", [None, "", "x", "\u00e9" * 43])
    async def test_a_change_without_the_token_has_no_effect(self, client, csrf, token):
        headers = {} if token is None else {"X-CSRF-Token": token.encode("latin-1")}

        response = await client.post("/api/user/api-keys", json={"name": "CI"}, headers=headers)

        assert outcome(response) == (403, "csrf_token_invalid")
        assert "X-CSRF-Token" in response.json()["detail"]
        assert (await client.get("/api/user/api-keys")).json()["data"] == []

    async def test_the_token_of_another_session_is_refused(self, client, csrf, sign_in):
        await sign_in()

        response = await client.delete(SESSION, headers=csrf)

        assert outcome(response) == (403, "csrf_token_invalid")

    async def test_reading_needs_none(self, client, csrf):
        assert (await client.get(ME)).status_code == 200
        assert (await client.head(ME)).status_code == 200

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    async def test_pages_of_other_origins_are_refused(self, client, csrf, method, site):
        headers = {**csrf, "Sec-Fetch-Site": site}

        response = await client.request(method, SESSION, headers=headers)

        assert outcome(response) == (403, "cross_site_request")

    @pytest.mark.parametrize("site", ["same-origin", "none"])
    async def test_own_pages_are_not(self, client, csrf, site):
        # The origin differs behind a development server that changes `Host`.
        headers = {**csrf, "Sec-Fetch-Site": site, "Origin": "http://localhost:5173"}

        assert (await client.delete(SESSION, headers=headers)).status_code == 200

    @pytest.mark.parametrize(
        "origin", ["null", "https://example.com", "http://127.0.0.1:81", "http://["]
    )
    async def test_without_that_header_the_origin_decides(self, client, csrf, origin):
        response = await client.delete(SESSION, headers={**csrf, "Origin": origin})

        assert outcome(response) == (403, "cross_site_request")

    @pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://127.0.0.1:8080"])
    async def test_the_origin_is_that_of_the_request_or_of_the_settings(self, client, csrf, origin):
        response = await client.delete(SESSION, headers={**csrf, "Origin": origin})

        assert response.status_code == 200

    async def test_a_token_in_a_header_needs_none_of_this(self, app, client, make, account, csrf):
        headers = await session_headers(app, make, account)

        response = await client.delete(SESSION, headers={**headers, "Sec-Fetch-Site": "cross-site"})

        assert response.status_code == 200
        # The cookie belongs to another session, which goes on.
        assert "Set-Cookie" not in response.headers
        assert (await client.get(ME)).status_code == 200


class TestEveryRoute:
    @pytest.mark.one_store
    async def test_no_change_is_made_with_the_cookie_alone(self, app, client, csrf):
        from stepiq.core import ids
        from stepiq.server.routes import routes_of

        answers = {}
        for route in routes_of(app):
            if route.access.is_public or route.access.is_for_keys or route.method == "GET":
                continue
            url = re.sub(r"\{\w+\}", str(ids.uuid7()), route.path)
            answers[route.method, route.path] = outcome(await client.request(route.method, url))

        assert len(answers) > 20
        public = {("POST", SESSION)}
        assert {
            key for key, value in answers.items() if value != (403, "csrf_token_invalid")
        } <= public


async def test_the_log_does_not_contain_the_cookie(client, csrf, capsys):
    value = client.cookies[COOKIE]

    await client.get(ME)
    await client.delete(SESSION)

    told = capsys.readouterr()
    assert value.partition(".")[2] not in told.out + told.err
