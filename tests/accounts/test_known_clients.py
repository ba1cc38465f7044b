"""Clients that have proved an account, after a restart and in another process."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts import housekeeping
from stepiq.accounts.queries import known_clients
from stepiq.accounts.queries import resets as reset_queries
from stepiq.accounts.queries.known_clients import LIFETIME, KnownClients
from stepiq.store.tables import known_clients as rows
from tests.support.make_accounts import PASSWORD

HOME = "203.0.113.9"


@pytest.fixture
def known() -> KnownClients:
    return KnownClients(b"secret")


async def remember(database, known, account, client=HOME):
    async with database.transaction() as session:
        await known.remember(session, account.id, account.email, client)


async def knows(database, known, email, client=HOME):
    async with database.reading() as session:
        return await known.knows(session, email, client)


async def digests(database):
    async with database.reading() as session:
        return set((await session.execute(sa.select(rows.c.digest))).scalars())


class TestKnownClients:
    async def test_another_process_knows_the_client(self, database, known, account):
        await remember(database, known, account)

        assert await knows(database, KnownClients(b"secret"), account.email)

    async def test_only_for_the_same_account_and_client(self, database, known, account):
        await remember(database, known, account)

        assert not await knows(database, known, "bob@example.com")
        assert not await knows(database, known, account.email, "203.0.113.10")

    async def test_a_row_does_not_reveal_the_client_without_the_key(self, database, account):
        for key in (b"one", b"two"):
            await remember(database, KnownClients(key), account)

        assert len(await digests(database)) == 2

    async def test_it_ends_ninety_days_after_the_last_time(self, database, known, account, clock):
        await remember(database, known, account)
        clock.advance(timedelta(days=60))
        await remember(database, known, account)
        clock.advance(LIFETIME - timedelta(minutes=1))
        assert await knows(database, known, account.email)

        clock.advance(timedelta(minutes=2))

        assert not await knows(database, known, account.email)

    async def test_housekeeping_deletes_it_then(self, database, known, account, clock):
        await remember(database, known, account)
        clock.advance(LIFETIME - timedelta(minutes=1))
        async with database.transaction() as session:
            assert await housekeeping.sweep(session, clock.now()) == 0

        clock.advance(timedelta(minutes=2))

        async with database.transaction() as session:
            assert await housekeeping.sweep(session, clock.now()) == 1
        assert await digests(database) == set()

    @pytest.mark.both_stores
    async def test_an_account_has_a_limited_number(
        self, database, known, account, make, clock, monkeypatch
    ):
        monkeypatch.setattr(known_clients, "MOST", 2)
        other = await make.user()
        await remember(database, known, other)
        for client in ("first", "second", "first", "third"):
            await remember(database, known, account, client)
            clock.advance(timedelta(seconds=1))

        found = {
            client
            for client in ("first", "second", "third")
            if await knows(database, known, account.email, client)
        }

        assert found == {"first", "third"}
        assert await knows(database, known, other.email)

    @pytest.mark.both_stores
    async def test_processes_can_store_the_same_client_at_once(self, database, known, account):
        await asyncio.gather(*(remember(database, known, account) for _ in range(8)))

        assert len(await digests(database)) == 1


def from_home(app):
    transport = httpx2.ASGITransport(app, client=(HOME, 40_000))
    return httpx2.AsyncClient(transport=transport, base_url="http://stepiq.example")


async def is_known_at_home(app, database, account):
    return await knows(database, app.state.doors.known_clients, account.email)


@pytest.mark.one_store
class TestProofs:
    async def test_a_log_in_makes_a_client_known(self, app, database, account):
        login = {"email": account.email, "password": PASSWORD}
        async with from_home(app) as client:
            assert (await client.post("/api/auth/login", json=login)).status_code == 200

        assert await is_known_at_home(app, database, account)

    async def test_a_failed_log_in_does_not(self, app, database, account):
        login = {"email": account.email, "password": "wrong"}
        async with from_home(app) as client:
            assert (await client.post("/api/auth/login", json=login)).status_code == 401

        assert not await is_known_at_home(app, database, account)

    async def test_a_refreshed_session_makes_a_client_known(self, app, database, make, account):
        opened = await make.session(account)
        body = {"refresh_token": opened.refresh_token}
        async with from_home(app) as client:
            assert (await client.post("/api/auth/refresh", json=body)).status_code == 200

        assert await is_known_at_home(app, database, account)

    async def test_a_copied_refresh_token_does_not(self, app, database, make, account, client):
        opened = await make.session(account)
        body = {"refresh_token": opened.refresh_token}
        await client.post("/api/auth/refresh", json=body)
        async with from_home(app) as other:
            assert (await other.post("/api/auth/refresh", json=body)).status_code == 401

        assert not await is_known_at_home(app, database, account)

    async def test_a_password_reset_makes_a_client_known(self, app, database, account):
        async with database.transaction() as session:
            await reset_queries.insert(session, account.id, "mailed", timedelta(hours=1))
        body = {"token": "mailed", "password": "another good password"}
        async with from_home(app) as client:
            response = await client.post("/api/auth/reset-password", json=body)

        assert response.status_code == 200
        assert await is_known_at_home(app, database, account)

    async def test_a_registration_makes_a_client_known(self, app, database, account):
        body = {"email": "new@example.com", "password": PASSWORD}
        async with from_home(app) as client:
            response = await client.post("/api/auth/register", json=body)

        assert response.status_code == 201
        assert await knows(database, app.state.doors.known_clients, "new@example.com")
