"""Logins with a code: a program starts one, a person decides, and the program gets a key, once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts import housekeeping
from stepiq.accounts.device_login import service
from stepiq.accounts.device_login.service import UserCodes
from stepiq.accounts.sessions import service as sessions
from stepiq.core import clock as clocks
from stepiq.store.states import Role
from stepiq.store.tables import api_keys, device_logins
from tests.accounts.device_login.conftest import DECISIONS, DEVICE, decide
from tests.support.audit_log import recorded
from tests.support.clients import outcome
from tests.support.make_accounts import actor

SECONDS = timedelta(seconds=1)


async def count(database, table) -> int:
    async with database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(table))


class TestStart:
    async def test_a_program_gets_what_rfc_8628_names(self, started):
        code = started["user_code"]

        assert set(started) == {
            "device_code",
            "user_code",
            "verification_uri",
            "verification_uri_complete",
            "expires_in",
            "interval",
        }
        assert started["verification_uri"].endswith("/device")
        assert started["verification_uri_complete"].endswith(f"/device?code={code}")
        assert (started["expires_in"], started["interval"]) == (600, 5)

    async def test_only_digests_are_stored(self, started, database):
        async with database.reading() as session:
            row = (await session.execute(sa.select(device_logins))).one()

        assert started["device_code"] not in str(tuple(row))
        assert started["user_code"].replace("-", "") not in str(tuple(row))
        assert (row.host_name, row.client, row.status) == ("laptop", "127.0.0.1", "pending")

    async def test_a_used_code_is_not_given_again(self, database, monkeypatch):
        made = iter(["BCDF-GHJK", "BCDF-GHJK", "XXXX-XXXX"])
        user_codes = UserCodes(b"k" * 32)
        monkeypatch.setattr(user_codes, "new", lambda: next(made))

        async with database.transaction() as session:
            found = [
                await service.start(session, user_codes, host_name=None, client="127.0.0.1")
                for _ in range(2)
            ]

        assert [each.user_code for each in found] == ["BCDF-GHJK", "XXXX-XXXX"]

    @pytest.mark.one_store
    @pytest.mark.parametrize("host_name", ["", "your admin asks you", "a" * 65, "ä", "a\n"])
    async def test_no_sentence_can_be_sent_as_a_host_name(self, client, host_name):
        response = await client.post(DEVICE, json={"host_name": host_name})

        assert outcome(response) == (422, "invalid_body")

    @pytest.mark.one_store
    async def test_without_a_host_name(self, client, owner, ask):
        started = (await client.post(DEVICE)).json()
        await decide(owner, started)

        assert (await ask(started)).json()["name"] == "stepiq login"

    @pytest.mark.one_store
    async def test_a_client_can_start_sixty_in_a_quarter_of_an_hour(self, client, clock):
        found = [(await client.post(DEVICE)).status_code for _ in range(61)]

        assert found == [200] * 60 + [429]
        clock.advance(timedelta(minutes=15))
        assert (await client.post(DEVICE)).status_code == 200


class TestRedeem:
    async def test_a_confirmed_login_gets_a_key_of_the_person(
        self, started, owner, account, ask, client
    ):
        decided = await decide(owner, started)
        response = await ask(started)

        assert decided.json() == {
            "approved": True,
            "workspace": {"id": str(account.workspace_id), "name": account.workspace_name},
        }
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        found = response.json()
        assert found["name"] == "stepiq login on laptop"
        assert found["email"] == account.email
        assert found["workspace"]["id"] == str(account.workspace_id)
        assert "webhooks:trigger" not in found["scopes"]
        assert {"pipelines:write", "account:read"} <= set(found["scopes"])
        me = await client.get("/api/user/me", headers={"X-API-Key": found["key"]})
        assert me.json()["email"] == account.email

    @pytest.mark.both_stores
    async def test_the_key_expires_after_ninety_days(self, started, owner, ask, clock):
        await decide(owner, started)

        expires_at = (await ask(started)).json()["expires_at"]

        assert expires_at[:10] == clocks.iso(clock.now() + timedelta(days=90))[:10]

    async def test_it_gets_only_one(self, started, owner, ask, database):
        await decide(owner, started)
        await ask(started)

        assert outcome(await ask(started)) == (400, "expired_token")
        assert await count(database, api_keys) == 1

    async def test_until_a_person_decides_it_waits(self, started, ask, clock):
        first = await ask(started)
        clock.advance(5 * SECONDS)

        assert outcome(first) == outcome(await ask(started)) == (400, "authorization_pending")

    async def test_one_that_asks_too_often_must_wait_longer(self, started, ask, clock):
        await ask(started)

        assert outcome(await ask(started)) == (400, "slow_down")
        clock.advance(6 * SECONDS)
        assert outcome(await ask(started)) == (400, "slow_down")
        clock.advance(15 * SECONDS)
        assert outcome(await ask(started)) == (400, "authorization_pending")

    async def test_it_waits_a_minute_at_most(self, started, ask, clock):
        for _ in range(20):
            await ask(started)
        clock.advance(60 * SECONDS)

        assert outcome(await ask(started)) == (400, "authorization_pending")

    async def test_a_refused_login_gets_none(self, started, owner, ask):
        decided = await decide(owner, started, approve=False)

        assert decided.json()["approved"] is False
        assert outcome(await ask(started)) == (400, "access_denied")

    async def test_after_ten_minutes_it_gets_none(self, started, owner, ask, clock):
        await decide(owner, started)
        clock.advance(timedelta(minutes=10))

        assert outcome(await ask(started)) == (400, "expired_token")

    async def test_an_unknown_code_gets_none(self, client):
        response = await client.post(f"{DEVICE}/token", json={"device_code": "made-up"})

        assert outcome(response) == (400, "expired_token")

    @pytest.mark.both_stores
    async def test_if_the_session_ends_before_it_gets_none(
        self, started, owner, account, ask, database
    ):
        await decide(owner, started)
        async with database.transaction() as session:
            await sessions.end(session, actor(account), everywhere=True)

        assert outcome(await ask(started)) == (400, "access_denied")
        assert await count(database, api_keys) == 0

    async def test_if_the_password_is_reset_before_it_gets_none(
        self, started, owner, account, ask, client, make
    ):
        await decide(owner, started)
        body = {"token": await make.reset(account), "password": "a new long password"}
        assert (await client.post("/api/auth/reset-password", json=body)).status_code == 200

        assert outcome(await ask(started)) == (400, "access_denied")

    async def test_if_the_member_is_removed_before_it_gets_none(
        self, started, owner, account, login, ask, make
    ):
        member = await make.member(account)
        await decide(await login(member), started)
        removed = await owner.delete(f"/api/workspace/members/{member.id}")
        assert removed.status_code == 200

        assert outcome(await ask(started)) == (400, "access_denied")

    async def test_if_the_account_is_disabled_before_it_gets_none(
        self, started, owner, account, ask, make
    ):
        await decide(owner, started)
        await make.disable(account)

        assert outcome(await ask(started)) == (400, "access_denied")

    async def test_a_role_limits_the_key(self, started, account, login, ask, make):
        viewer = await login(await make.member(account, Role.VIEWER))
        await decide(viewer, started)

        assert (await ask(started)).json()["scopes"] == ["account:read", "pipelines:read"]

    async def test_the_plan_limits_the_keys(self, client, make, login, ask, begin, database):
        someone = await make.user(plan="free")
        session, started = await login(someone), await begin()
        await decide(session, started)
        while (await session.post("/api/user/api-keys", json={"name": "x"})).status_code == 201:
            pass

        refused = await ask(started)
        other = await decide(session, await begin())

        assert outcome(refused) == outcome(other) == (403, "plan_api_keys_exceeded")
        for key in (await session.get("/api/user/api-keys")).json()["data"][:1]:
            await session.delete(f"/api/user/api-keys/{key['id']}")
        assert (await ask(started)).status_code == 200

    @pytest.mark.one_store
    async def test_a_client_can_ask_240_times_a_minute(self, client):
        body = {"device_code": "made-up"}
        for _ in range(240):
            await client.post(f"{DEVICE}/token", json=body)

        response = await client.post(f"{DEVICE}/token", json=body)

        assert outcome(response) == (429, "too_many_attempts")
        assert int(response.headers["Retry-After"]) <= 60


class TestOpen:
    async def test_a_person_sees_what_the_program_states_and_gets(self, started, owner):
        response = await owner.post(f"{DECISIONS}/open", json={"user_code": started["user_code"]})

        found = response.json()
        assert (found["host_name"], found["client"]) == ("laptop", "127.0.0.1")
        assert found["key_days"] == 90
        assert "pipelines:write" in found["scopes"]
        assert "device_code" not in found

    async def test_it_depends_on_the_workspace(self, started, owner, account, stranger, make):
        await make.join(account, stranger, Role.VIEWER)
        response = await owner.post(
            f"{DECISIONS}/open",
            json={"user_code": started["user_code"]},
            headers={"X-Workspace": str(stranger.workspace_id)},
        )

        assert response.json()["scopes"] == ["account:read", "pipelines:read"]

    @pytest.mark.both_stores
    async def test_an_expired_code_is_unknown(self, started, login, account, clock):
        clock.advance(timedelta(minutes=10))
        response = await (await login(account)).post(
            f"{DECISIONS}/open", json={"user_code": started["user_code"]}
        )

        assert outcome(response) == (404, "user_code_not_found")

    @pytest.mark.one_store
    async def test_wrong_codes_are_limited(self, started, owner, login, account, stranger, clock):
        async def open_with(client, code):
            return outcome(await client.post(f"{DECISIONS}/open", json={"user_code": code}))

        found = [await open_with(owner, "BCDF-GHJK") for _ in range(10)]

        assert found == [(404, "user_code_not_found")] * 10
        right = started["user_code"]
        assert await open_with(owner, right) == (429, "too_many_attempts")
        # All sessions of an account count together, and other accounts separately.
        assert await open_with(await login(account), right) == (429, "too_many_attempts")
        assert outcome(await decide(owner, started)) == (429, "too_many_attempts")
        assert (await open_with(await login(stranger), right))[0] == 200

    @pytest.mark.one_store
    async def test_keys_are_refused(self, started, login_key, account):
        key = await login_key(account)

        found = [
            outcome(await key.post(f"{DECISIONS}/open", json={"user_code": started["user_code"]})),
            outcome(await decide(key, started)),
        ]

        assert found == [(403, "session_required")] * 2


class TestDecide:
    async def test_the_person_chooses_the_workspace(
        self, started, owner, account, stranger, make, ask
    ):
        await make.join(account, stranger)
        await decide(owner, started, headers={"X-Workspace": str(stranger.workspace_id)})

        found = (await ask(started)).json()

        assert found["workspace"]["id"] == str(stranger.workspace_id)
        assert found["email"] == account.email

    @pytest.mark.parametrize("first", [True, False])
    @pytest.mark.parametrize("second", [True, False])
    async def test_a_decision_is_final(self, started, owner, login, stranger, first, second):
        await decide(owner, started, approve=first)

        again = await decide(await login(stranger), started, approve=second)

        assert outcome(again) == (409, "login_decided")
        assert ("confirmed" if first else "refused") in again.json()["detail"]

    async def test_the_audit_log_has_the_decision_and_the_key(
        self, started, owner, account, ask, database
    ):
        await decide(owner, started)
        await ask(started)

        approved, created = (await recorded(database))[-2:]
        assert approved.action == "device_login.approved"
        assert approved.target_id == str(account.id)
        assert approved.after["host_name"] == "laptop"
        assert approved.after["client"] == "127.0.0.1"
        assert "pipelines:write" in approved.after["scopes"]
        assert (created.action, created.target_name) == (
            "api_key.created",
            "stepiq login on laptop",
        )
        assert created.actor_id == approved.actor_id == account.id

    async def test_so_it_has_a_refusal(self, started, owner, database):
        await decide(owner, started, approve=False)

        entry = (await recorded(database))[-1]
        assert (entry.action, entry.after["host_name"]) == ("device_login.denied", "laptop")


@pytest.mark.both_stores
class TestHousekeeping:
    async def test_expired_logins_are_deleted(self, begin, database, clock):
        await begin()
        clock.advance(timedelta(minutes=5))
        await begin()
        clock.advance(timedelta(minutes=6))

        async with database.transaction() as session:
            assert await housekeeping.sweep(session, clock.now()) == 1
        assert await count(database, device_logins) == 1


class TestCurrentKey:
    @pytest.mark.both_stores
    async def test_a_key_shows_and_revokes_itself(self, started, owner, ask, client):
        await decide(owner, started)
        made = (await ask(started)).json()
        headers = {"X-API-Key": made["key"]}

        shown = await client.get("/api/user/api-keys/current", headers=headers)
        revoked = await client.delete("/api/user/api-keys/current", headers=headers)
        after = await client.get("/api/user/api-keys/current", headers=headers)

        assert shown.json()["id"] == made["id"]
        assert "key" not in shown.json()
        assert revoked.json() == {"id": made["id"], "deleted": True}
        assert outcome(after) == (401, "credential_invalid")

    async def test_others_stay(self, login_key, account, owner):
        keys = [await login_key(account) for _ in range(2)]
        await keys[0].delete("/api/user/api-keys/current")

        assert (await keys[1].get("/api/user/me")).status_code == 200
        assert len((await owner.get("/api/user/api-keys")).json()["data"]) == 1

    async def test_it_is_recorded(self, login_key, account, database):
        key = await login_key(account)
        await key.delete("/api/user/api-keys/current")

        entry = (await recorded(database))[-1]
        assert (entry.action, entry.actor_kind) == ("api_key.revoked", "personal_key")

    @pytest.mark.one_store
    async def test_a_session_has_none(self, owner):
        found = [
            outcome(await owner.request(method, "/api/user/api-keys/current"))
            for method in ("GET", "DELETE")
        ]

        assert found == [(401, "api_key_required")] * 2
