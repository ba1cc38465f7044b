from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.authentication.authenticator import CACHE_LIFETIME, Authenticator
from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.accounts.errors import CredentialInvalid
from stepiq.accounts.queries import keys
from stepiq.accounts.workspaces import invitations
from stepiq.core import clock as clocks
from stepiq.core import ids
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.states import Role, RunStatus
from stepiq.store.tables import runs
from tests.support.clients import login, login_key, login_service_key, outcome
from tests.support.make_accounts import PASSWORD
from tests.support.query_plans import plan_of, statements, walked_whole

__all__ = ["login", "login_key", "login_service_key"]

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


class TestStoppedWorkspace:
    """A workspace whose members are all disabled."""

    @pytest.fixture
    async def service_key(self, make, account):
        """A service key of the workspace of `account`. The member who has created it is disabled."""
        creator = await make.member(account, Role.ADMIN)
        key = await make.service_key(creator)
        await make.disable(creator)
        return key

    @pytest.fixture
    async def program(self, login_service_key, service_key):
        return await login_service_key(service_key)

    @pytest.fixture
    def stop(self, change, account):
        async def stop():
            assert (await change(account, disabled=True)).status_code == 200

        return stop

    async def test_its_service_keys_work_while_any_member_is_enabled(self, program):
        assert (await program.get("/api/pipelines")).status_code == 200

    async def test_its_service_keys_are_refused_at_once(self, stop, program):
        assert (await program.get("/api/pipelines")).status_code == 200

        await stop()

        refused = await program.get("/api/pipelines")
        assert outcome(refused) == (401, "credential_invalid")

    async def test_another_process_refuses_its_service_keys_five_seconds_later(
        self, stop, service_key, services, app, clock
    ):
        elsewhere = Authenticator(services.database, app.state.doors.tokens)
        await elsewhere.authenticate(None, service_key.text)
        await stop()
        clock.advance(CACHE_LIFETIME)

        with pytest.raises(CredentialInvalid):
            await elsewhere.authenticate(None, service_key.text)
        await elsewhere.settle()

    async def test_a_request_that_another_process_is_answering_loses_its_credential(
        self, stop, service_key, services, app
    ):
        elsewhere = Authenticator(services.database, app.state.doors.tokens)
        caller = await elsewhere.authenticate(None, service_key.text)
        watch = ExpiryWatch(services.database)
        assert await watch.is_live(caller)

        await stop()

        assert not await watch.is_live(caller)
        await elsewhere.settle()

    async def test_its_service_keys_are_refused_before_its_runs_are_cancelled(
        self, stop, program, account, make, services, monkeypatch
    ):
        await make.run(account, await make.pipeline(account))
        assert (await program.get("/api/pipelines")).status_code == 200
        cancel, answers = services.engine.cancel, []

        async def observed(*arguments):
            answers.append((await program.get("/api/pipelines")).status_code)
            await cancel(*arguments)

        monkeypatch.setattr(services.engine, "cancel", observed)
        await stop()

        assert answers == [401]

    async def test_webhooks_with_its_service_keys_start_nothing(
        self, stop, program, account, make, database
    ):
        url = f"/api/webhooks/{await make.pipeline(account)}"
        await stop()

        refused = await program.post(url, json={})

        assert outcome(refused) == (401, "credential_invalid")
        async with database.reading() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(runs)) == 0

    async def test_its_service_keys_work_again_when_a_member_is_enabled(
        self, stop, change, account, program
    ):
        await stop()
        assert (await program.get("/api/pipelines")).status_code == 401

        await change(account, disabled=False)

        assert (await program.get("/api/pipelines")).status_code == 200

    async def test_links_to_its_reviews_do_not_work_until_a_member_is_enabled(
        self, change, make, account, client, settings
    ):
        review = await make.review(account, await make.pipeline(account))
        link = {"token": ReviewLinks(settings).token(LinkHolder(review.id, 0))}
        # Without cancelling the run, as for one that another process starts in the first five seconds.
        await make.disable(account)

        opened = await client.post("/api/reviews/open", json=link)
        decided = await client.post("/api/reviews/decide", json={**link, "decision": "approve"})
        await change(account, disabled=False)
        again = await client.post("/api/reviews/decide", json={**link, "decision": "approve"})

        assert outcome(opened) == outcome(decided) == (404, "review_link_invalid")
        assert again.status_code == 200

    async def test_invitations_by_its_members_do_not_work_until_a_member_is_enabled(
        self, owner, change, account, client
    ):
        body = {"email": "eve@example.com", "role": "admin"}
        made = (await owner.post("/api/workspace/invitations", json=body)).json()
        registration = {
            "email": "eve@example.com",
            "password": PASSWORD,
            "invitation": made["url"].partition("#invitation=")[2],
        }
        await change(account, disabled=True)

        refused = await client.post("/api/auth/register", json=registration)
        await change(account, disabled=False)
        again = await client.post("/api/auth/register", json=registration)

        assert outcome(refused) == (422, "invitation_invalid")
        assert again.status_code == 201

    async def test_a_person_whom_the_operator_invites_makes_it_work_again(
        self, stop, program, account, client, database
    ):
        await stop()
        async with database.transaction() as session:
            _, token = await invitations.create_by_operator(
                session, account.workspace_id, email="eve@example.com", role=Role.OWNER
            )
        registration = {"email": "eve@example.com", "password": PASSWORD, "invitation": token}

        joined = await client.post("/api/auth/register", json=registration)

        assert joined.status_code == 201
        assert (await program.get("/api/pipelines")).status_code == 200

    @pytest.mark.new_store
    async def test_its_members_are_found_by_an_index(self, database):
        now = clocks.now()
        with statements() as seen:
            async with database.reading() as session:
                await keys.live(session, b"digest", now)
                await keys.live_ids(session, [ids.uuid7()], now)

        plans = [await plan_of(database, text, parameters) for text, parameters in seen.items()]
        assert len(plans) == 2
        for plan in plans:
            assert "member_user" in plan
            # SQLite names the alias of a table that it scans.
            assert "SCAN" not in plan
            assert not walked_whole(plan)


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
