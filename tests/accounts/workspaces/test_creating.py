"""How many workspaces an account can create, whether it keeps them or not."""

import asyncio
from datetime import timedelta

import pytest

from stepiq.accounts.workspaces.service import CREATED_WITHIN, MAX_CREATED
from stepiq.core.settings.model import RegistrationPolicy
from tests.support.clients import login, outcome

__all__ = ["login"]

pytestmark = pytest.mark.both_stores

BODY = {"name": "Brief"}


@pytest.fixture(autouse=True)
def open_registration(settings):
    settings.registration = RegistrationPolicy.OPEN


async def create(client):
    return await client.post("/api/workspaces", json=BODY)


@pytest.fixture
def replace(login):
    """Creates workspaces of an account, and deletes each at once, which ends the account's sessions."""

    async def replace(account, times=1):
        for _ in range(times):
            client = await login(account)
            created = await create(client)
            assert created.status_code == 201, created.text
            await delete(client, created)

    return replace


async def delete(client, created):
    headers = {"X-Workspace": created.json()["id"]}
    deleted = await client.request("DELETE", "/api/workspace", json=BODY, headers=headers)
    assert deleted.status_code == 200, deleted.text


async def test_deleted_ones_count(login, account, replace):
    await replace(account, MAX_CREATED)

    refused = await create(await login(account))

    assert outcome(refused) == (409, "too_many_new_workspaces")


async def test_a_refusal_names_the_limit_and_when_the_next_one_is_possible(
    login, account, replace, clock
):
    before = clock.now() - timedelta(milliseconds=1)
    await replace(account)
    after = clock.now()
    clock.advance(timedelta(days=1))
    await replace(account, MAX_CREATED - 1)

    detail = (await create(await login(account))).json()["detail"]

    assert "has created 5 workspaces in the last 30 days" in detail
    again_at = clock.parse(detail.partition("create the next one at ")[2].partition(". ")[0])
    assert before < again_at - CREATED_WITHIN < after


async def test_each_counts_for_thirty_days(login, account, replace, clock):
    await replace(account)
    clock.advance(timedelta(days=10))
    await replace(account, MAX_CREATED - 1)
    refused = await create(await login(account))

    clock.advance(timedelta(days=20))
    await replace(account)
    refused_again = await create(await login(account))

    assert outcome(refused) == outcome(refused_again) == (409, "too_many_new_workspaces")


async def test_concurrent_requests_create_no_more(login, account, replace):
    await replace(account, MAX_CREATED - 1)
    client = await login(account)

    answers = await asyncio.gather(*(create(client) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_a_refused_one_does_not_count(login, account):
    client = await login(account)
    made = [await create(client) for _ in range(MAX_CREATED - 1)]
    refused = [await create(client) for _ in range(2)]
    await delete(client, made[0])

    created = await create(await login(account))

    assert [outcome(each) for each in refused] == [(409, "too_many_workspaces")] * 2
    assert created.status_code == 201


async def test_accounts_are_counted_separately(login, account, stranger, replace):
    await replace(account, MAX_CREATED)

    assert (await create(await login(stranger))).status_code == 201


async def test_administrators_of_the_server_create_as_many_as_they_want(make, login, replace):
    administrator = await make.user(is_admin=True)

    await replace(administrator, MAX_CREATED)

    assert (await create(await login(administrator))).status_code == 201
