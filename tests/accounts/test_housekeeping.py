from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts import housekeeping
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.signing_in import registration
from stepiq.store.tables import counts, invitations, password_resets, refresh_tokens
from stepiq.store.tables import sessions as session_rows
from tests.support.make_accounts import actor

pytestmark = pytest.mark.both_stores


async def sweep(database, clock):
    async with database.transaction() as session:
        return await housekeeping.sweep(session, clock.now())


async def count(database, table):
    async with database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(table))


class TestSweep:
    async def test_what_counts_stays(self, database, make, account, clock):
        opened = await make.session(account)
        async with database.transaction() as session:
            await sessions.refresh(session, opened.refresh_token)
            await registration.invite(session, "bob@example.com")

        assert await sweep(database, clock) == 0
        assert await count(database, refresh_tokens) == 2

    async def test_what_nobody_can_use_goes(self, database, make, account, client, app, clock):
        await make.session(account)
        await client.post("/api/auth/forgot-password", json={"email": account.email})
        await app.state.doors.recovery.settle()
        async with database.transaction() as session:
            await registration.invite(session, "bob@example.com")
        clock.advance(timedelta(days=32))

        counted = await count(database, counts)
        assert await sweep(database, clock) == 4 + counted
        for table in (counts, session_rows, refresh_tokens, password_resets, invitations):
            assert await count(database, table) == 0

    async def test_an_ended_session_goes_a_day_after(self, database, make, account, clock):
        await make.session(account)
        async with database.transaction() as session:
            await sessions.end(session, actor(account), everywhere=True)
        assert await sweep(database, clock) == 0

        clock.advance(timedelta(days=1))

        # The session, and its refresh token.
        assert await sweep(database, clock) == 2
        assert await count(database, refresh_tokens) == 0

    async def test_a_turn_takes_a_batch(self, database, make, account, clock, monkeypatch):
        monkeypatch.setattr(housekeeping, "BATCH", 2)
        for _ in range(3):
            await make.session(account)
        clock.advance(timedelta(days=32))

        turns = [await sweep(database, clock) for _ in range(4)]

        # Two refresh tokens that have expired, the third with its session, and two sessions that have none left.
        assert turns[0] == 5
        assert turns[-1] == 0
        assert await count(database, session_rows) == 0
