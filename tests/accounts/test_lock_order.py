"""Transactions lock an account before its keys and memberships, so none of them waits for each other in a circle."""

import asyncio

import pytest

from stepiq.accounts import service as accounts
from stepiq.accounts.queries import keys, members
from stepiq.core import clock
from stepiq.store.database import Database
from tests.support.clients import outcome
from tests.support.locks import until_one_waits

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def another(settings):
    """The database, as another process uses it."""
    database = Database(settings)
    yield database
    await database.close()


async def test_rolling_a_key_waits_for_a_new_password_before_it_locks_the_key(
    another, database, owner, account, make
):
    key = await make.api_key(account)

    async with another.transaction(30) as session:
        await accounts.lock(session, account.id)
        rolling = asyncio.create_task(owner.post(f"/api/user/api-keys/{key.id}/roll"))
        await until_one_waits(database)
        await keys.revoke_all(session, account.id, clock.now())

    assert outcome(await rolling) == (404, "api_key_not_found")


async def test_creating_a_service_key_waits_for_the_removal_of_the_member(
    another, database, owner, account
):
    path = "/api/workspace/service-keys"

    async with another.transaction(30) as session:
        await accounts.lock(session, account.id)
        creating = asyncio.create_task(owner.post(path, json={"name": "CI"}))
        await until_one_waits(database)
        await members.remove(session, account.workspace_id, account.id, account.email, clock.now())

    assert outcome(await creating) == (403, "role_missing")
