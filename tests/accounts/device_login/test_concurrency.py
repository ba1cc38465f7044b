"""A login gives one key, whatever happens at the same time."""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.store.tables import api_keys
from tests.accounts.device_login.conftest import decide
from tests.support.clients import outcome

pytestmark = pytest.mark.both_stores


async def keys_of(database, account) -> int:
    async with database.reading() as session:
        statement = sa.select(sa.func.count()).where(api_keys.c.user_id == account.id)
        return await session.scalar(statement)


async def test_of_requests_at_the_same_time_one_gets_a_key(begin, ask, owner, database, account):
    started = await begin()
    await decide(owner, started)

    found = await asyncio.gather(*(ask(started) for _ in range(8)))

    assert Counter(map(outcome, found)) == {(200, None): 1, (400, "expired_token"): 7}
    assert await keys_of(database, account) == 1


async def test_of_decisions_at_the_same_time_one_counts(begin, ask, owner, login, stranger, make):
    started = await begin()
    clients = [owner, await login(stranger)] * 4

    found = await asyncio.gather(
        *(decide(each, started, approve=n % 3 != 0) for n, each in enumerate(clients))
    )

    decided = [each.json() for each in found if each.status_code == 200]
    assert len(decided) == 1
    refused = [each for each in found if each.status_code != 200]
    assert {outcome(each) for each in refused} == {(409, "login_decided")}
    # What the others are told is what the one person decided.
    decision = "confirmed" if decided[0]["approved"] else "refused"
    assert all(f"already {decision}" in each.json()["detail"] for each in refused)
    answer = await ask(started)
    if decided[0]["approved"]:
        assert answer.json()["workspace"] == decided[0]["workspace"]
    else:
        assert outcome(answer) == (400, "access_denied")


ACTS = st.lists(
    st.sampled_from(["approve", "deny", "ask", "approve elsewhere"]), min_size=1, max_size=10
)


@pytest.mark.slow
@given(acts=ACTS, at_once=st.integers(1, 4))
@settings(max_examples=25)
async def test_a_code_never_gives_two_keys(
    begin, ask, owner, login, make, app, database, acts, at_once
):
    app.state.device_logins.starts.limit = app.state.device_logins.polls.limit = 100_000
    first, second = await make.user(), await make.user()
    clients = {"approve": await login(first), "approve elsewhere": await login(second)}
    started = await begin()

    async def act(name: str):
        if name == "ask":
            return await ask(started)
        return await decide(clients.get(name, clients["approve"]), started, approve=name != "deny")

    for n in range(0, len(acts), at_once):
        await asyncio.gather(*(act(name) for name in acts[n : n + at_once]))
    last = await asyncio.gather(ask(started), ask(started))

    keys = await keys_of(database, first) + await keys_of(database, second)
    assert keys <= 1
    assert sum(each.status_code == 200 for each in last) <= keys
