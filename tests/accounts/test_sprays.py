"""One password, tried on many accounts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from stepiq.accounts.throttle import Sprays
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.one_store

PERIOD = timedelta(minutes=15)


def limit(app, of_client, of_all):
    app.state.doors = replace(app.state.doors, sprays=Sprays(of_client, of_all, PERIOD))


async def spray(client, times):
    """The status of each response."""
    found = []
    for number in range(times):
        login = {"email": f"x{number}@example.com", "password": "Summer2026!"}
        found.append((await client.post("/api/auth/login", json=login)).status_code)
    return found


async def log_in(client, account):
    login = {"email": account.email, "password": PASSWORD}
    return await client.post("/api/auth/login", json=login)


class TestSprays:
    async def test_one_address_is_refused_with_the_limit_and_the_time(self, app, client, account):
        limit(app, 3, 100)
        await spray(client, 3)

        response = await log_in(client, account)

        assert response.status_code == 429
        assert response.json()["detail"] == (
            "From your address, 3 log-ins have failed within 15 minutes. Try again in 15 minutes."
        )

    async def test_the_whole_server_has_a_limit(self, app, client, account):
        limit(app, 100, 3)
        await spray(client, 3)

        response = await log_in(client, account)

        assert response.status_code == 429
        assert response.json()["detail"].startswith("On this server, 3 log-ins have failed")

    async def test_a_client_that_has_logged_in_before_is_not_locked_out(self, app, client, account):
        limit(app, 3, 3)
        await log_in(client, account)
        assert await spray(client, 4) == [401, 401, 401, 429]

        assert (await log_in(client, account)).status_code == 200

    async def test_it_ends_after_the_period(self, app, client, account, clock):
        limit(app, 3, 3)
        await spray(client, 3)
        clock.advance(PERIOD)

        assert (await log_in(client, account)).status_code == 200
