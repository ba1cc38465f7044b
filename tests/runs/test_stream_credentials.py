"""Streams end with their credential, whichever process ends it: here, the database says so and nobody else."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts.authentication import authenticator as authentication
from stepiq.accounts.authentication import expiry
from stepiq.accounts.authentication.authenticator import CACHE_LIFETIME
from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.accounts.credentials.tokens import ACCESS_LIFETIME
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.workspaces import service as workspaces
from stepiq.core import clock as clocks
from stepiq.runs.streams.listeners import Streams
from stepiq.store.states import Role
from stepiq.store.tables import memberships, runs
from tests.support import loop_time
from tests.support.clients import outcome, session_headers
from tests.support.make_accounts import PASSWORD, actor, revoke_key


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Leaves clients time to read the end."""
    monkeypatch.setattr(expiry, "FINISH_SECONDS", 3_600)


@pytest.fixture
def quick(app, database):
    """Has the credentials of streams checked without a pause."""
    app.state.doors = replace(app.state.doors, watch=ExpiryWatch(database, interval_seconds=0.01))


@asynccontextmanager
async def streaming(server, run_id, headers):
    """A stream that is open: its first frame has come."""
    async with (
        httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
        client.stream("GET", f"/api/runs/{run_id}/stream", headers=headers) as response,
    ):
        assert response.status_code == 200
        frames = response.aiter_bytes()
        assert b"step.log" in await anext(frames)
        yield frames


async def ended(frames):
    """Read to the end of a stream."""
    async with asyncio.timeout(60):
        return b"".join([each async for each in frames])


@pytest.fixture
async def key(make, account):
    return await make.api_key(account, expires_at=clocks.now() + timedelta(hours=1))


@pytest.fixture
async def run_id(run_id, teller):
    """A run that goes on after its first event."""
    await teller.log(run_id, 1)
    return run_id


@pytest.mark.usefixtures("quick")
class TestKeys:
    async def test_when_the_key_is_revoked(self, server, run_id, key, account, database):
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            async with database.transaction() as session:
                await revoke_key(session, account, key.id)

            assert b"run.status" not in await ended(frames)

    async def test_when_the_key_expires(self, server, run_id, key, clock):
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            clock.advance(timedelta(hours=1))

            await ended(frames)

    async def test_when_the_account_is_disabled(self, server, run_id, key, account, make):
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            await make.disable(account)

            await ended(frames)

    async def test_others_of_the_account_go_on(
        self, server, run_id, key, account, make, database, teller
    ):
        other = await make.api_key(account)
        async with (
            streaming(server, run_id, {"X-API-Key": key.text}) as frames,
            streaming(server, run_id, {"X-API-Key": other.text}) as others,
        ):
            async with database.transaction() as session:
                await revoke_key(session, account, key.id)
            await ended(frames)

            await teller.end(run_id)

            assert b"run.status" in await ended(others)


@pytest.mark.usefixtures("quick")
class TestSessions:
    @pytest.fixture
    async def opened(self, make, account):
        return await make.session(account)

    @pytest.fixture
    def headers(self, app, account, opened):
        return {
            "Authorization": f"Bearer {app.state.doors.tokens.issue(account.id, opened.session_id)}"
        }

    @pytest.mark.both_stores
    async def test_when_the_session_ends(self, server, run_id, headers, account, database):
        async with streaming(server, run_id, headers) as frames:
            async with database.transaction() as session:
                await session_queries.end_all(session, account.id, clocks.now())

            await ended(frames)

    async def test_not_when_only_the_access_token_expires(
        self, server, run_id, headers, clock, teller
    ):
        async with streaming(server, run_id, headers) as frames:
            clock.advance(timedelta(minutes=20))
            await teller.end(run_id)

            assert b"run.status" in await ended(frames)


async def give_role(database, member, role):
    async with database.transaction() as session:
        await session.execute(
            memberships.update().where(memberships.c.user_id == member.id).values(role=role)
        )


@pytest.mark.usefixtures("quick")
class TestMembers:
    async def remove(self, database, account, member):
        async with database.transaction() as session:
            await workspaces.remove(session, actor(account), account.workspace_id, member.id)

    async def test_when_the_member_is_removed(self, app, server, run_id, account, make, database):
        member = await make.member(account, Role.VIEWER)
        headers = await session_headers(app, make, member)
        async with streaming(server, run_id, headers) as frames:
            await self.remove(database, account, member)

            assert b"run.status" not in await ended(frames)

    async def test_when_the_owner_of_the_key_is_removed(
        self, server, run_id, account, make, database
    ):
        member = await make.member(account, Role.VIEWER)
        key = await make.api_key(member)
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            await self.remove(database, account, member)

            assert b"run.status" not in await ended(frames)

    @pytest.mark.both_stores
    async def test_when_only_the_membership_ends(
        self, app, server, run_id, account, make, database
    ):
        member = await make.member(account, Role.VIEWER)
        headers = await session_headers(app, make, member)
        async with streaming(server, run_id, headers) as frames:
            async with database.transaction() as session:
                await session.execute(
                    memberships.update()
                    .where(memberships.c.user_id == member.id)
                    .values(removed_at=clocks.now())
                )

            await ended(frames)

    @pytest.mark.both_stores
    async def test_when_the_role_is_lowered(self, app, server, run_id, account, make, database):
        member = await make.member(account, Role.EDITOR)
        headers = await session_headers(app, make, member)
        async with streaming(server, run_id, headers) as frames:
            await give_role(database, member, Role.VIEWER)

            assert b"run.status" not in await ended(frames)

    async def test_not_when_it_is_raised(
        self, app, server, run_id, account, make, database, teller
    ):
        member = await make.member(account, Role.EDITOR)
        headers = await session_headers(app, make, member)
        async with streaming(server, run_id, headers) as frames:
            await give_role(database, member, Role.ADMIN)
            await app.state.doors.watch.check()
            await teller.end(run_id)

            assert b"run.status" in await ended(frames)

    async def test_a_service_key_goes_on(self, server, run_id, account, make, database, teller):
        admin = await make.member(account, Role.ADMIN)
        key = await make.service_key(admin)
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            await self.remove(database, account, admin)
            await teller.end(run_id)

            assert b"run.status" in await ended(frames)

    async def test_when_no_member_is_enabled_that_of_a_service_key_ends(
        self, server, run_id, account, make
    ):
        key = await make.service_key(account)
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            await make.disable(account)

            assert b"run.status" not in await ended(frames)


class TestCookies:
    @pytest.fixture
    async def cookie(self, server, account):
        """A browser's session, as the headers of a request."""
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            body = {"email": account.email, "password": PASSWORD}
            response = await client.post("/api/session", json=body)
        value = response.headers["Set-Cookie"].partition(";")[0]
        return {"Cookie": value, "X-CSRF-Token": response.json()["csrf_token"]}

    async def test_when_the_person_signs_out(self, server, run_id, cookie):
        async with streaming(server, run_id, cookie) as frames:
            async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
                response = await client.delete("/api/session", headers=cookie)

            assert response.status_code == 200
            assert b"run.status" not in await ended(frames)

    async def test_not_before(self, server, run_id, cookie, clock, teller):
        async with streaming(server, run_id, cookie) as frames:
            clock.advance(timedelta(days=1))
            await teller.end(run_id)

            assert b"run.status" in await ended(frames)

    async def test_a_page_of_another_origin_gets_no_stream(self, server, run_id, cookie):
        headers = {**cookie, "Sec-Fetch-Site": "same-site"}
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            response = await client.get(f"/api/runs/{run_id}/stream", headers=headers)

        assert (response.status_code, response.json()["code"]) == (403, "cross_site_request")


@pytest.fixture
def cached(monkeypatch):
    """Has this process trust a credential for long after it was read."""
    monkeypatch.setattr(authentication, "CACHE_LIFETIME", timedelta(hours=1))


@pytest.mark.usefixtures("cached")
class TestOpening:
    @pytest.mark.both_stores
    @pytest.mark.parametrize("path", ["/api/runs/stream", "/api/runs/{run_id}/stream"])
    async def test_a_credential_that_only_the_cache_trusts_opens_none(
        self, app, server, run_id, key, account, database, path
    ):
        headers = {"X-API-Key": key.text}
        async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
            await client.get("/api/runs")
            async with database.transaction() as session:
                await revoke_key(session, account, key.id)

            is_trusted = (await client.get("/api/runs")).is_success
            response = await client.get(path.format(run_id=run_id))

        assert is_trusted
        assert outcome(response) == (401, "credential_invalid")
        assert app.state.streams.count(account.workspace_id) == 0


class TestPace:
    async def test_as_it_is_set_it_takes_less_than_five_seconds(
        self, server, run_id, key, account, database
    ):
        async with streaming(server, run_id, {"X-API-Key": key.text}) as frames:
            async with database.transaction() as session:
                await revoke_key(session, account, key.id)

            with loop_time.within(5):
                assert b"run.status" not in await ended(frames)


class WaitedFor(Streams):
    """As in production, and `entered` is set when somebody waits."""

    def __init__(self, changes):
        super().__init__(changes)
        self.entered = asyncio.Event()

    def enter(self, workspace_id):
        super().enter(workspace_id)
        self.entered.set()


@pytest.mark.both_stores
class TestWaitingRequests:
    @pytest.mark.parametrize(("is_revoked", "status"), [(False, 200), (True, 202)])
    async def test_the_answer_shows_no_result_to_a_key_that_was_revoked_meanwhile(
        self, app, server, changes, account, make, key, database, clock, teller, is_revoked, status
    ):
        app.state.streams = WaitedFor(changes)
        url = f"{server.url}/api/pipelines/{await make.pipeline(account)}/run?wait=60"
        async with httpx2.AsyncClient(timeout=30) as client:
            asked = asyncio.create_task(client.post(url, headers={"X-API-Key": key.text}))
            await app.state.streams.entered.wait()
            async with database.reading() as session:
                run_id = await session.scalar(sa.select(runs.c.id))
            if is_revoked:
                async with database.transaction() as session:
                    await revoke_key(session, account, key.id)
                clock.advance(CACHE_LIFETIME)
            await teller.end(run_id)
            response = await asked

        assert response.status_code == status

    @pytest.mark.parametrize(("is_ended", "status"), [(False, 200), (True, 202)])
    async def test_it_shows_it_after_the_access_token_expired_unless_the_session_ended(
        self, app, server, changes, account, make, database, clock, teller, is_ended, status
    ):
        app.state.streams = WaitedFor(changes)
        headers = await session_headers(app, make, account)
        clock.advance(ACCESS_LIFETIME - timedelta(seconds=10))
        url = f"{server.url}/api/pipelines/{await make.pipeline(account)}/run?wait=60"
        async with httpx2.AsyncClient(timeout=30) as client:
            asked = asyncio.create_task(client.post(url, headers=headers))
            await app.state.streams.entered.wait()
            clock.advance(timedelta(seconds=20))
            async with database.transaction() as session:
                run_id = await session.scalar(sa.select(runs.c.id))
                if is_ended:
                    await session_queries.end_all(session, account.id, clocks.now())
            await teller.end(run_id)
            response = await asked

        assert response.status_code == status
