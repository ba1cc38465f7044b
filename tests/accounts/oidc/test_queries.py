import asyncio
from datetime import timedelta

import pytest

from stepiq.accounts import housekeeping
from stepiq.accounts.oidc import queries
from stepiq.accounts.oidc.http import LIFETIME

pytestmark = pytest.mark.both_stores


class TestSpend:
    async def test_of_two_returns_at_once_one_counts(self, database, clock):
        expires_at = clock.now() + LIFETIME

        async def spend():
            async with database.transaction() as session:
                return await queries.spend(session, b"x" * 32, expires_at)

        assert sorted(await asyncio.gather(spend(), spend())) == [False, True]

    async def test_it_is_remembered_until_the_sign_in_has_expired(self, database, clock):
        expires_at = clock.now() + LIFETIME

        async def spend():
            async with database.transaction() as session:
                await housekeeping.sweep(session, clock.now())
                return await queries.spend(session, b"x" * 32, expires_at)

        first, again = await spend(), await spend()
        clock.advance(LIFETIME + timedelta(seconds=1))

        assert (first, again, await spend()) == (True, False, True)


class TestInsert:
    async def test_an_identity_has_one_account(self, database, account, stranger, clock):
        async def connect(owner):
            async with database.transaction() as session:
                return await queries.insert(
                    session,
                    user_id=owner.id,
                    provider="company",
                    issuer="https://company.example",
                    subject="ada",
                    email=None,
                    now=clock.now(),
                )

        made = await asyncio.gather(connect(account), connect(stranger))

        assert sorted(each is None for each in made) == [False, True]
