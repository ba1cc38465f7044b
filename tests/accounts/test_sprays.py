"""One password, tried on many accounts."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from stepiq.accounts.authentication import throttle
from stepiq.accounts.authentication.throttle import Sprays
from stepiq.accounts.errors import Busy, TooManyAttempts
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.one_store

PERIOD = timedelta(minutes=15)


def limit(app, **limits):
    app.state.doors = replace(app.state.doors, sprays=Sprays(**limits))


def from_address(app, address):
    transport = httpx2.ASGITransport(app, client=(address, 40_000))
    return httpx2.AsyncClient(transport=transport, base_url="http://stepiq.example")


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


class TestLimits:
    """The limits of a server: 50 failed logins of a client, 200 of a network, and 1,000 in all, within 15 minutes."""

    @staticmethod
    async def fail(sprays, clients):
        for client in clients:
            async with sprays.attempt(client, is_known=False) as attempts:
                for attempt in attempts:
                    attempt.count()

    async def test_a_client_has_fifty(self):
        sprays = Sprays()
        await self.fail(sprays, ["203.0.113.7"] * 50)

        with pytest.raises(TooManyAttempts, match="50 logins have failed within 15 minutes"):
            await self.fail(sprays, ["203.0.113.7"])

    async def test_a_network_has_two_hundred(self):
        sprays = Sprays()
        await self.fail(sprays, [f"203.0.113.{number % 100}" for number in range(200)])

        with pytest.raises(TooManyAttempts, match="200 logins have failed within 15 minutes"):
            await self.fail(sprays, ["203.0.113.200"])

    async def test_after_a_thousand_others_wait(self):
        sprays = Sprays(interval_seconds=3_600)
        await self.fail(sprays, [f"203.0.{number % 250}.7" for number in range(1_000)])
        # The first one does not wait.
        await self.fail(sprays, ["198.51.100.6"])

        waiting = asyncio.create_task(self.fail(sprays, ["198.51.100.7"]))
        for _ in range(10):
            await asyncio.sleep(0)

        assert not waiting.done()
        waiting.cancel()


class TestSprays:
    async def test_one_address_is_refused_with_the_limit_and_the_time(self, app, client, account):
        limit(app, of_client=3)
        await spray(client, 3)

        response = await log_in(client, account)

        assert response.status_code == 429
        assert response.json()["detail"] == (
            "From your address, 3 logins have failed within 15 minutes. Try again in 15 minutes."
        )

    @pytest.mark.parametrize("limits", [{"of_client": 1}, {"of_network": 1}])
    async def test_a_refusal_takes_a_second(self, app, client, limits, refusals):
        limit(app, **limits)
        await spray(client, 1)
        assert refusals.number == 0

        assert await spray(client, 1) == [429]

        assert refusals.number == 1

    async def test_so_does_one_because_too_many_are_waiting(self, app, client, refusals):
        limit(app, of_all=1, interval_seconds=3_600)
        # The second one takes the turn of this interval.
        await spray(client, 2)
        # One has its turn, and the queue holds the others except one.
        several = range(1 + throttle._WAITING_OF_NETWORK + 1)
        waiting = [asyncio.create_task(spray(client, 1)) for _ in several]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

        assert done.pop().result() == [503]
        assert refusals.number == 1

        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    @pytest.mark.parametrize(
        ("addresses", "neighbor", "stranger"),
        [
            (("203.0.113.1", "203.0.113.2", "203.0.113.3"), "203.0.113.4", "203.0.112.1"),
            (
                ("2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"),
                "2001:db8:1::",
                "2001:db8:2::",
            ),
            (("::ffff:203.0.113.1", "203.0.113.2", "203.0.113.3"), "203.0.113.4", "203.0.112.1"),
        ],
    )
    async def test_one_network_is_refused(self, app, account, addresses, neighbor, stranger):
        limit(app, of_network=3)
        for address in addresses:
            async with from_address(app, address) as client:
                assert await spray(client, 1) == [401]

        async with from_address(app, neighbor) as near, from_address(app, stranger) as far:
            refused, accepted = await log_in(near, account), await log_in(far, account)

        assert refused.status_code == 429
        assert refused.json()["detail"].startswith(
            "From the network of your address, 3 logins have failed within 15 minutes."
        )
        assert accepted.status_code == 200

    async def test_a_client_that_has_logged_in_before_is_not_locked_out(self, app, client, account):
        limit(app, of_client=3)
        await log_in(client, account)
        assert await spray(client, 4) == [401, 401, 401, 429]

        assert (await log_in(client, account)).status_code == 200

    async def test_not_even_after_a_restart(self, app, client, account):
        await log_in(client, account)
        app.state.doors = type(app.state.doors).build(app.state.services)
        limit(app, of_client=3)
        await spray(client, 3)

        assert (await log_in(client, account)).status_code == 200

    async def test_it_ends_after_the_period(self, app, client, account, clock):
        limit(app, of_client=3)
        await spray(client, 3)
        clock.advance(PERIOD)

        assert (await log_in(client, account)).status_code == 200

    async def test_after_the_limit_of_the_process_a_stranger_still_gets_in(
        self, app, client, account
    ):
        limit(app, of_all=3, interval_seconds=0)
        await spray(client, 5)

        async with from_address(app, "198.51.100.7") as stranger:
            assert (await log_in(stranger, account)).status_code == 200


async def beyond_limit(interval_seconds):
    """Sprays with the limit of the process reached."""
    sprays = Sprays(of_client=1_000, of_all=1, interval_seconds=interval_seconds)
    async with sprays.attempt("198.51.100.1", is_known=False) as attempts:
        for each in attempts:
            each.count()
    # It takes the turn of this interval.
    async with sprays.attempt("198.51.100.1", is_known=False):
        return sprays


@pytest.fixture
async def arrive():
    """Starts attempts, and ends those that still wait after the test."""
    tasks = []

    async def attempt(sprays, client, entered):
        async with sprays.attempt(client, is_known=False):
            entered.append(client)

    async def start(sprays, *clients):
        entered = []
        started = [asyncio.create_task(attempt(sprays, each, entered)) for each in clients]
        tasks.extend(started)
        for _ in range(10):
            await asyncio.sleep(0)
        return entered, started

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class TestTurns:
    """What follows when the limit of the process is reached."""

    async def test_one_log_in_starts_in_each_interval(self, arrive):
        sprays = await beyond_limit(interval_seconds=0.05)
        started_at = time.monotonic()

        _, tasks = await arrive(sprays, "192.0.2.1", "198.51.100.2", "203.0.113.3")
        await asyncio.gather(*tasks)

        # The clock of the event loop can be ahead by its resolution.
        assert time.monotonic() - started_at >= 0.149

    async def test_networks_take_turns(self, arrive):
        sprays = await beyond_limit(interval_seconds=0.001)

        entered, tasks = await arrive(sprays, *["192.0.2.1"] * 4, "203.0.113.3")
        await asyncio.gather(*tasks)

        assert entered.index("203.0.113.3") == 1

    async def test_a_known_client_does_not_wait(self, arrive):
        sprays = await beyond_limit(interval_seconds=3_600)
        entered, _ = await arrive(sprays, "192.0.2.1")

        async with sprays.attempt("192.0.2.1", is_known=True):
            assert entered == []

    async def test_one_network_cannot_fill_the_queue(self, arrive):
        sprays = await beyond_limit(interval_seconds=3_600)
        await arrive(sprays, *["192.0.2.1"] * 5)

        with pytest.raises(Busy):
            async with sprays.attempt("192.0.2.2", is_known=False):
                pass
        _, other = await arrive(sprays, "203.0.113.3")
        assert not other[0].done()

    async def test_it_ends_with_the_period(self, arrive, clock):
        sprays = await beyond_limit(interval_seconds=3_600)
        clock.advance(PERIOD)

        entered, _ = await arrive(sprays, "203.0.113.3")

        assert entered == ["203.0.113.3"]
