import asyncio
from datetime import timedelta

import httpx2
import pytest

from stepiq.accounts.actor import Scope
from stepiq.accounts.errors import EmailTaken
from stepiq.accounts.signing_in import registration
from stepiq.core.settings.model import RegistrationPolicy
from tests.support.make_accounts import PASSWORD

NEW = {"email": "ada@example.com", "password": PASSWORD}


def from_elsewhere(app, address="203.0.113.9", host="stepiq.example"):
    transport = httpx2.ASGITransport(app, client=(address, 40_000))
    return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")


def setup_token(app):
    return registration.setup_token(app.state.doors.jwt_secret)


class TestRegister:
    async def test_the_token_it_gives_works(self, client, make):
        await make.user()

        answer = (await client.post("/api/auth/register", json=NEW)).json()

        assert answer["token_type"] == "Bearer"
        assert answer["expires_in"] == 900
        me = await client.get(
            "/api/user/me", headers={"Authorization": f"Bearer {answer['token']}"}
        )
        assert me.json() == answer["user"]

    async def test_later_accounts_get_the_default_plan(self, client, make):
        await make.user()

        user = (await client.post("/api/auth/register", json=NEW)).json()["user"]

        assert not user["is_admin"]
        assert user["plan"] == "unlimited"
        assert user["credits_remaining"] is None

    async def test_an_address_is_taken_in_any_case(self, client, make):
        await make.user(email="ada@example.com")

        response = await client.post(
            "/api/auth/register", json={**NEW, "email": " ADA@Example.com "}
        )

        assert response.status_code == 409
        assert response.json()["code"] == "email_taken"

    @pytest.mark.parametrize(
        "email",
        ["", "ada", "@example.com", "ada@", "a b@example.com", "a\x80@example.com", "ada@exa mple.com", "ada@-example.com",
         "ada@example..com", ".ada@example.com", "a..b@example.com", "ada@" + "x" * 64 + ".com",
         "a@" + "b." * 150 + "com", "ada@example.com\n@x", "<ada@example.com>"],
    )  # fmt: skip
    async def test_what_is_no_address_is_refused(self, client, email):
        response = await client.post("/api/auth/register", json={**NEW, "email": email})

        assert response.status_code == 422
        assert response.json()["errors"][0]["path"] == "email"

    @pytest.mark.parametrize("password", ["", "seven77", "x" * 1_025])
    async def test_a_password_has_8_to_1024_characters(self, client, password):
        response = await client.post("/api/auth/register", json={**NEW, "password": password})

        assert response.status_code == 422
        assert password not in response.text or not password

    async def test_a_refused_body_is_not_repeated_in_the_answer(self, client):
        response = await client.post("/api/auth/register", json={"password": ["hunter2hunter2"]})

        assert "hunter2" not in response.text

    @pytest.mark.parametrize(
        ("registration", "code"),
        [
            (RegistrationPolicy.CLOSED, "registration_closed"),
            (RegistrationPolicy.INVITE, "registration_invite_only"),
        ],
    )
    async def test_the_operator_may_close_it(self, client, make, settings, registration, code):
        await make.user()
        settings.registration = registration

        response = await client.post("/api/auth/register", json=NEW)

        assert response.status_code == 403
        assert response.json()["code"] == code

    @pytest.mark.both_stores
    async def test_of_one_address_registered_at_once_one_is_made(self, client, make):
        await make.user()

        responses = await asyncio.gather(
            *(client.post("/api/auth/register", json=NEW) for _ in range(4))
        )

        assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]


class TestFirstAccount:
    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "203.0.113.9"])
    async def test_without_the_set_up_token_nobody_gets_it_from_anywhere(self, app, address):
        # A forwarder that adds no headers connects from this machine, too.
        async with from_elsewhere(app, address=address, host="localhost:8080") as client:
            response = await client.post("/api/auth/register", json=NEW)

        assert response.status_code == 403
        assert response.json()["code"] == "setup_required"
        assert "send the setup token as `setup_token`" in response.json()["detail"]

    @pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9"])
    async def test_the_set_up_token_proves_the_operator(self, app, address):
        async with from_elsewhere(app, address=address) as client:
            body = {**NEW, "setup_token": setup_token(app)}
            response = await client.post("/api/auth/register", json=body)

        user = response.json()["user"]
        assert response.status_code == 201
        assert user["is_admin"]
        assert user["plan"] == "enterprise"
        assert user["limits"]["steps"] == 100
        assert user["credits_remaining"] is None
        assert user["name"] == "ada"

    async def test_a_wrong_token_is_refused(self, client):
        response = await client.post("/api/auth/register", json={**NEW, "setup_token": "é"})

        assert response.json()["code"] == "setup_required"
        assert "`setup_token` is not its setup token" in response.json()["detail"]

    async def test_the_token_counts_only_while_there_is_no_account(self, app, client, make):
        await make.user()

        body = {**NEW, "setup_token": setup_token(app)}
        user = (await client.post("/api/auth/register", json=body)).json()["user"]

        assert not user["is_admin"]

    async def test_closing_registration_does_not_lock_out_the_operator(self, app, client, settings):
        settings.registration = RegistrationPolicy.CLOSED

        body = {**NEW, "setup_token": setup_token(app)}
        response = await client.post("/api/auth/register", json=body)

        assert response.status_code == 201

    @pytest.mark.both_stores
    async def test_of_several_at_once_exactly_one_is_administrator(self, app, client):
        proof = {"setup_token": setup_token(app)}
        bodies = [{**NEW, **proof, "email": f"a{number}@example.com"} for number in range(6)]
        responses = await asyncio.gather(
            *(client.post("/api/auth/register", json=body) for body in bodies)
        )

        users = [response.json()["user"] for response in responses]
        assert sum(user["is_admin"] for user in users) == 1


class TestLogin:
    async def test_it_opens_a_session(self, client, make):
        account = await make.user(email="ada@example.com")

        response = await client.post("/api/auth/login", json={**NEW, "email": "Ada@Example.com"})

        assert response.status_code == 200
        assert response.json()["user"]["id"] == str(account.id)
        assert len(response.json()["refresh_token"]) >= 40

    @pytest.mark.parametrize(
        "body",
        [
            {"email": "ada@example.com", "password": "wrong password"},
            {"email": "bob@example.com", "password": PASSWORD},
            {"email": "ada@example.com", "password": ""},
        ],
    )
    async def test_wrong_password_and_unknown_address_get_one_answer(self, client, make, body):
        await make.user(email="ada@example.com")

        response = await client.post("/api/auth/login", json=body)

        assert response.status_code == 401
        assert response.json()["code"] == "login_failed"
        assert response.json()["detail"] == "The email address or the password is wrong."

    async def test_a_disabled_account_is_as_unknown(self, client, make):
        await make.user(email="ada@example.com", is_disabled=True)

        response = await client.post("/api/auth/login", json=NEW)

        assert response.json()["code"] == "login_failed"


class TestMe:
    async def test_it_shows_the_account_and_what_its_plan_allows(self, owner, account):
        user = (await owner.get("/api/user/me")).json()

        assert user["id"] == str(account.id)
        assert set(user) == {
            "id", "email", "email_verified", "name", "workspace", "role", "plan", "limits", "credits_remaining", "is_admin",
            "created_at",
        }  # fmt: skip
        assert user["created_at"].endswith("Z")

    async def test_both_prefixes_answer(self, owner):
        assert (await owner.get("/v1/api/user/me")).json() == (
            await owner.get("/api/user/me")
        ).json()


class TestApiKeys:
    async def test_a_key_is_shown_once(self, owner):
        made = (await owner.post("/api/user/api-keys", json={"name": "CI"})).json()
        [listed] = (await owner.get("/api/user/api-keys")).json()["data"]

        assert made.pop("key").startswith(made["prefix"])
        assert listed == made
        assert made["scopes"] == sorted(Scope)

    async def test_a_key_calls_the_api(self, owner, client):
        key = (await owner.post("/api/user/api-keys", json={"name": "CI"})).json()["key"]

        response = await client.get("/api/user/me", headers={"X-API-Key": key})

        assert response.status_code == 200

    async def test_its_scopes_are_those_asked_for(self, owner, client):
        body = {"name": "CI", "scopes": ["pipelines:read", "pipelines:read"]}
        made = (await owner.post("/api/user/api-keys", json=body)).json()

        response = await client.get("/api/user/me", headers={"X-API-Key": made["key"]})

        assert made["scopes"] == ["pipelines:read"]
        assert response.status_code == 403
        assert response.json()["code"] == "scope_missing"
        assert "account:read" in response.json()["detail"]

    async def test_it_may_expire(self, owner, client, clock):
        expires_at = clock.iso(clock.now() + timedelta(hours=1))
        body = {"name": "CI", "expires_at": expires_at}
        key = (await owner.post("/api/user/api-keys", json=body)).json()["key"]
        assert (await client.get("/api/user/me", headers={"X-API-Key": key})).status_code == 200

        clock.advance(timedelta(hours=1))

        assert (await client.get("/api/user/me", headers={"X-API-Key": key})).status_code == 401

    @pytest.mark.parametrize(
        ("expires_at", "code"),
        [
            ("2020-01-01T00:00:00Z", "expiry_past"),
            ("2030-01-01T00:00:00", "invalid_body"),
            ("tomorrow", "invalid_body"),
            ("99999-01-01T00:00:00Z", "invalid_body"),
            ("9999-12-31T23:59:59-14:00", "invalid_body"),
            (4_000_000_000, "invalid_body"),
            ("4000000000", "invalid_body"),
        ],
    )
    async def test_an_expiry_that_means_nothing_is_refused(self, owner, expires_at, code):
        body = {"name": "CI", "expires_at": expires_at}
        response = await owner.post("/api/user/api-keys", json=body)

        assert response.status_code == 422
        assert response.json()["code"] == code

    async def test_no_key_makes_or_revokes_keys(self, client, make, account):
        key = await make.api_key(account)
        headers = {"X-API-Key": key.text}

        made = await client.post("/api/user/api-keys", json={"name": "x"}, headers=headers)
        revoked = await client.delete(f"/api/user/api-keys/{key.id}", headers=headers)

        assert (made.status_code, made.json()["code"]) == (403, "session_required")
        assert (revoked.status_code, revoked.json()["code"]) == (403, "session_required")

    @pytest.mark.both_stores
    async def test_a_revoked_key_is_refused_at_once_and_listed_no_more(
        self, owner, client, make, account
    ):
        key = await make.api_key(account)
        headers = {"X-API-Key": key.text}
        assert (await client.get("/api/user/me", headers=headers)).status_code == 200

        response = await owner.delete(f"/api/user/api-keys/{key.id}")

        assert response.json() == {"id": str(key.id), "deleted": True}
        assert (await client.get("/api/user/me", headers=headers)).status_code == 401
        assert (await owner.get("/api/user/api-keys")).json()["data"] == []

    async def test_another_accounts_key_is_as_unknown_as_none(self, owner, make, stranger):
        foreign = await make.api_key(stranger)

        answers = []
        for key_id in (foreign.id, stranger.id):
            response = await owner.delete(f"/api/user/api-keys/{key_id}")
            answer = response.json()
            answers.append(
                (response.status_code, answer["code"], answer["detail"].replace(str(key_id), "ID"))
            )

        assert answers[0] == answers[1] == (404, "api_key_not_found", "API key ID does not exist.")
        assert (await owner.get("/api/user/api-keys")).json()["data"] == []

    async def test_use_is_noted_to_the_minute(self, app, owner, client, make, account, clock):
        key = await make.api_key(account)
        headers = {"X-API-Key": key.text}

        async def last_used():
            await client.get("/api/user/me", headers=headers)
            await app.state.doors.authenticator.settle()
            [row] = (await owner.get("/api/user/api-keys")).json()["data"]
            return row["last_used_at"]

        first = await last_used()
        clock.advance(timedelta(seconds=30))
        assert await last_used() == first
        clock.advance(timedelta(seconds=31))
        assert await last_used() > first


class TestCreateAccount:
    async def test_the_operator_may_make_any(self, database, make):
        account = await make.user(plan="pro", is_admin=True, name="Ada")

        assert (account.plan, account.is_admin, account.name) == ("pro", True, "Ada")

    async def test_a_taken_address_rolls_nothing_else_back(self, database, make):
        await make.user(email="ada@example.com")

        with pytest.raises(EmailTaken):
            await make.user(email="ada@example.com")

        await make.user(email="bob@example.com")
