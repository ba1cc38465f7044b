from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.authentication import CACHE_LIFETIME, Authenticator
from stepiq.accounts.errors import CredentialInvalid
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs
from tests.support.clients import login, login_key
from tests.support.make_accounts import PASSWORD

__all__ = ["login", "login_key"]

USERS = "/api/admin/users"


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def admin(make, login):
    """A client with the session of an administrator."""
    return await login(await make.user(is_admin=True))


@pytest.fixture
def change(admin):
    async def change(account, *, disabled):
        return await admin.patch(f"{USERS}/{account.id}", json={"disabled": disabled})

    return change


@pytest.fixture
def status_of(database):
    async def status_of(run_id):
        statement = sa.select(runs.c.status).where(runs.c.id == UUID(str(run_id)))
        async with database.reading() as session:
            return await session.scalar(statement)

    return status_of


class TestDisable:
    async def test_its_sessions_and_keys_are_refused(self, change, owner, login_key, account):
        key = await login_key(account)
        assert (await owner.get("/api/user/api-keys")).status_code == 200
        assert (await key.get("/api/user/api-keys")).status_code == 200

        response = await change(account, disabled=True)

        assert response.status_code == 200
        assert (response.json()["email"], response.json()["disabled"]) == (account.email, True)
        assert (await owner.get("/api/user/api-keys")).status_code == 401
        assert (await key.get("/api/user/api-keys")).status_code == 401

    async def test_another_process_refuses_them_five_seconds_later(
        self, change, owner, account, services, app, clock
    ):
        elsewhere = Authenticator(services.database, app.state.doors.tokens)
        await elsewhere.authenticate(owner.headers["Authorization"], None)
        await change(account, disabled=True)
        clock.advance(CACHE_LIFETIME)

        with pytest.raises(CredentialInvalid):
            await elsewhere.authenticate(owner.headers["Authorization"], None)

    async def test_its_webhooks_and_logins_are_refused(
        self, change, login_key, account, make, client
    ):
        key = await login_key(account)
        url = f"/api/webhooks/{await make.pipeline(account)}"
        body = {"email": account.email, "password": PASSWORD}
        assert (await key.post(url, json={})).status_code == 202
        assert (await client.post("/api/auth/login", json=body)).status_code == 200

        await change(account, disabled=True)

        assert (await key.post(url, json={})).status_code == 401
        assert (await client.post("/api/auth/login", json=body)).status_code == 401

    async def test_its_unfinished_runs_are_cancelled(
        self, change, owner, account, stranger, make, status_of
    ):
        pipeline_id = await make.pipeline(account)
        started = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})
        done = await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        other = await make.run(stranger, await make.pipeline(stranger))

        await change(account, disabled=True)

        assert await status_of(started.json()["id"]) == RunStatus.CANCELLED
        assert await status_of(done) == RunStatus.COMPLETED
        assert await status_of(other) == RunStatus.PENDING

    async def test_they_are_refused_before_its_runs_are_cancelled(
        self, change, owner, account, make, services, monkeypatch
    ):
        await make.run(account, await make.pipeline(account))
        assert (await owner.get("/api/user/api-keys")).status_code == 200
        cancel, answers = services.engine.cancel, []

        async def observed(*arguments):
            answers.append((await owner.get("/api/user/api-keys")).status_code)
            await cancel(*arguments)

        monkeypatch.setattr(services.engine, "cancel", observed)
        await change(account, disabled=True)

        assert answers == [401]

    async def test_again_it_cancels_a_run_that_another_process_has_started_since(
        self, change, owner, account, make, services, app, status_of
    ):
        url = f"/api/pipelines/{await make.pipeline(account)}/run"
        doors = app.state.doors
        elsewhere = Authenticator(services.database, doors.tokens)
        await elsewhere.authenticate(owner.headers["Authorization"], None)
        await change(account, disabled=True)
        app.state.doors = replace(doors, authenticator=elsewhere)
        started = await owner.post(url, json={})
        app.state.doors = doors

        await change(account, disabled=True)

        assert started.status_code == 202
        assert await status_of(started.json()["id"]) == RunStatus.CANCELLED

    async def test_twice_is_as_once(self, change, account):
        await change(account, disabled=True)

        assert (await change(account, disabled=True)).json()["disabled"]


class TestEnable:
    async def test_its_keys_work_again_and_its_sessions_do_not(
        self, change, owner, login_key, account
    ):
        key = await login_key(account)
        await owner.get("/api/user/api-keys")
        await change(account, disabled=True)

        response = await change(account, disabled=False)

        assert not response.json()["disabled"]
        assert (await key.get("/api/user/api-keys")).status_code == 200
        assert (await owner.get("/api/user/api-keys")).status_code == 401


class TestWho:
    @pytest.mark.parametrize(("method", "url"), [("GET", USERS), ("PATCH", f"{USERS}/{{}}")])
    async def test_only_administrators_who_have_logged_in(
        self, owner, login_key, make, stranger, method, url
    ):
        boss = await make.user(is_admin=True)
        body = {"json": {"disabled": True}} if method == "PATCH" else {}

        ordinary = await owner.request(method, url.format(stranger.id), **body)
        key = await (await login_key(boss)).request(method, url.format(stranger.id), **body)

        assert (ordinary.status_code, ordinary.json()["code"]) == (403, "admin_required")
        assert (key.status_code, key.json()["code"]) == (403, "session_required")

    async def test_nobody_disables_themselves(self, login, make):
        boss = await make.user(is_admin=True)
        client = await login(boss)

        response = await client.patch(f"{USERS}/{boss.id}", json={"disabled": True})

        assert (response.status_code, response.json()["code"]) == (409, "own_account")

    async def test_an_unknown_account_is_named(self, admin, make, account):
        unknown = await make.pipeline(account)

        response = await admin.patch(f"{USERS}/{unknown}", json={"disabled": True})

        assert (response.status_code, response.json()["code"]) == (404, "user_not_found")


class TestList:
    async def test_every_account_is_listed_newest_first(self, admin, make):
        old = await make.user()
        new = await make.user(is_disabled=True)

        listed = (await admin.get(USERS)).json()["data"]

        emails = [user["email"] for user in listed]
        assert emails.index(new.email) < emails.index(old.email)
        assert listed[emails.index(new.email)]["disabled"]
        assert "password" not in str(listed)

    async def test_one_is_found_by_its_address(self, admin, make):
        wanted = await make.user(email="ada@example.com")

        listed = (await admin.get(USERS, params={"email": " Ada@Example.com"})).json()["data"]

        assert [user["id"] for user in listed] == [str(wanted.id)]

    async def test_what_is_no_address_is_refused(self, admin):
        response = await admin.get(USERS, params={"email": "nobody"})

        assert response.status_code == 422
        assert "must be an email address" in response.json()["errors"][0]["message"].lower()
