"""Exports end with the credential of their caller, however slowly they are read."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts.audit import recording, service
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, operator_of
from stepiq.accounts.audit.sealing import seal
from stepiq.accounts.authentication import authenticator as authentication
from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.store.states import Role
from stepiq.store.tables import memberships, users
from tests.support.clients import outcome, session_headers
from tests.support.cuts import lost
from tests.support.readers import reading

__all__ = ["lost"]

OWN = "/api/audit/export"
OF_SERVER = "/api/admin/audit/export"
SMALL_BUFFER = 4_096


async def end_session(session, person):
    await session_queries.end_all(session, person.id, clock.now())


async def lower_role(session, person):
    mine = memberships.c.user_id == person.id
    await session.execute(sa.update(memberships).where(mine).values(role=Role.EDITOR))


async def lower_rights(session, person):
    mine = users.c.id == person.id
    await session.execute(sa.update(users).where(mine).values(is_admin=False))


@pytest.fixture
async def person(make):
    """An owner of a workspace who is also an administrator of the server."""
    return await make.user(is_admin=True)


@pytest.fixture
async def headers(app, make, person):
    return {**await session_headers(app, make, person), "Connection": "close"}


@pytest.fixture
async def long_log(database, person):
    """A log in three batches, which are each larger than what sockets hold. Each is read when the last is sent."""
    by = operator_of(person.workspace_id)
    async with database.transaction() as session:
        target = AuditTarget(AuditTargetType.PIPELINE, "1", "x" * 5_000)
        for _ in range(3 * 200):
            await recording.record(session, by, Action.PIPELINE_ARCHIVED, target)
        while await seal(session):
            pass


@pytest.mark.both_stores
class TestEnd:
    @pytest.mark.parametrize(
        ("path", "change"),
        [
            (OWN, end_session),
            (OWN, lower_role),
            (OF_SERVER, end_session),
            (OF_SERVER, lower_rights),
        ],
    )
    async def test_an_export_is_cut(
        self, app, server, database, lost, long_log, person, headers, path, change
    ):
        watch = ExpiryWatch(database, interval_seconds=3_600)
        app.state.doors = replace(app.state.doors, watch=watch)
        async with reading(server, path, headers, buffer=SMALL_BUFFER) as reader:
            await reader.take()
            await watch.check()
            assert lost.empty()
            async with database.transaction() as session:
                await change(session, person)

            await watch.check()

            async with asyncio.timeout(60):
                await lost.get()
            with pytest.raises(ConnectionResetError):
                await reader.take_all()

    async def test_it_is_not_cut_twice(
        self, app, server, database, lost, long_log, person, headers
    ):
        watch = ExpiryWatch(database, interval_seconds=3_600)
        app.state.doors = replace(app.state.doors, watch=watch)
        async with reading(server, OWN, headers, buffer=SMALL_BUFFER) as reader:
            await reader.take()
            async with database.transaction() as session:
                await end_session(session, person)
            ((caller, end),) = watch._watched.values()
            with watch.watching(caller, end):
                await watch.check()
                async with asyncio.timeout(60):
                    await lost.get()

                # The number of its socket may already be that of another connection.
                await watch.check()

    @pytest.mark.parametrize("path", [OWN, OF_SERVER])
    async def test_a_session_that_only_the_cache_trusts_gets_none(
        self, server, database, person, headers, path, monkeypatch
    ):
        monkeypatch.setattr(authentication, "CACHE_LIFETIME", timedelta(hours=1))
        async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
            await client.get(path)
            async with database.transaction() as session:
                await end_session(session, person)

            is_trusted = (await client.get("/api/audit")).is_success
            response = await client.get(path)

        assert is_trusted
        assert outcome(response) == (401, "credential_invalid")


@pytest.mark.one_store
class TestHead:
    async def test_it_reads_no_entries(self, owner, monkeypatch):
        def unread(*_asked):
            async def batches():
                raise AssertionError
                yield []

            return batches()

        monkeypatch.setattr(service, "export", unread)

        head = await owner.head(OWN)

        assert (head.status_code, head.content) == (200, b"")
