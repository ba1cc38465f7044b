import asyncio
import contextlib
from collections import Counter
from datetime import timedelta

import httpx2
import pytest

from stepiq.accounts.authentication.throttle import Throttle
from stepiq.accounts.errors import TooManyAttempts
from stepiq.core.settings.model import load
from tests.support.live import live
from tests.support.make_accounts import PASSWORD

KEY = ("ada@example.com", "203.0.113.9")
PERIOD = timedelta(minutes=15)


@pytest.fixture
def logins() -> Throttle:
    return Throttle(3, PERIOD)


async def fail(logins, *key):
    async with logins.attempt(*(key or KEY)) as attempt:
        attempt.count()


class TestAttempt:
    async def test_so_many_may_fail_and_no_more(self, logins):
        for _ in range(3):
            await fail(logins)

        with pytest.raises(TooManyAttempts) as caught:
            await fail(logins)

        assert PERIOD - timedelta(seconds=5) < caught.value.retry_after <= PERIOD

    async def test_they_are_forgotten_after_the_period_of_the_first(self, logins, clock):
        await fail(logins)
        clock.advance(timedelta(minutes=10))
        await fail(logins)
        await fail(logins)

        clock.advance(timedelta(minutes=5))

        for _ in range(3):
            await fail(logins)
        with pytest.raises(TooManyAttempts):
            await fail(logins)

    async def test_a_success_clears(self, logins):
        await fail(logins)
        await fail(logins)
        async with logins.attempt(*KEY) as attempt:
            await attempt.clear()

        for _ in range(3):
            await fail(logins)

    async def test_what_breaks_does_not_count(self, logins):
        for _ in range(5):
            with pytest.raises(ValueError, match="broke"):
                async with logins.attempt(*KEY):
                    raise ValueError("broke")

        await fail(logins)

    async def test_those_under_way_count(self, logins):
        async with logins.attempt(*KEY), logins.attempt(*KEY), logins.attempt(*KEY):
            with pytest.raises(TooManyAttempts):
                await fail(logins)

        await fail(logins)

    async def test_keys_have_counts_of_their_own(self, logins):
        for _ in range(3):
            await fail(logins)

        await fail(logins, "bob@example.com", KEY[1])
        await fail(logins, KEY[0], "203.0.113.10")


def from_address(app, address):
    transport = httpx2.ASGITransport(app, client=(address, 40_000))
    return httpx2.AsyncClient(transport=transport, base_url="http://stepiq.example")


@contextlib.asynccontextmanager
async def behind(app, settings, trusted):
    """A client of a server that trusts the proxy at this address."""
    proxied = load(
        database_url=settings.database_url,
        data_dir=settings.data_dir,
        config_file=settings.config_file,
        trusted_proxies=trusted,
    )
    async with live(app, proxied) as server, httpx2.AsyncClient(base_url=server.url) as proxy:
        yield proxy


async def log_in_for(proxy, email, forwarded_for):
    """The status of a log-in with a wrong password, with this `X-Forwarded-For`."""
    proxy.headers["X-Forwarded-For"] = forwarded_for
    return (await try_to_log_in(proxy, email)).status_code


async def try_to_log_in(client, email, password=None):
    body = {"email": email, "password": password or "wrong"}
    return await client.post("/api/auth/login", json=body)


class TestLogin:
    async def test_the_eleventh_attempt_waits_even_with_the_right_password(
        self, client, account, refusals
    ):
        for _ in range(10):
            assert (await try_to_log_in(client, account.email)).status_code == 401

        assert refusals.number == 0
        response = await try_to_log_in(client, account.email, PASSWORD)

        assert refusals.number == 1
        assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
        assert 800 < int(response.headers["Retry-After"]) <= 900

    async def test_an_unknown_address_is_held_up_alike(self, client, account):
        answers = []
        for email in (account.email, "nobody@example.com"):
            for _ in range(10):
                await try_to_log_in(client, email)
            response = await try_to_log_in(client, email)
            body = response.json()
            body.pop("request_id")
            answers.append((response.status_code, body))

        assert answers[0] == answers[1]

    async def test_the_owner_gets_in_from_elsewhere(self, app, client, account):
        for _ in range(11):
            await try_to_log_in(client, account.email)

        async with from_address(app, "203.0.113.9") as elsewhere:
            response = await try_to_log_in(elsewhere, account.email, PASSWORD)

        assert response.status_code == 200

    async def test_a_network_of_ipv6_is_one_client(self, app, account):
        for number in range(10):
            async with from_address(app, f"2001:db8:1:2::{number}") as client:
                await try_to_log_in(client, account.email)

        async with (
            from_address(app, "2001:db8:1:2:f::1") as near,
            from_address(app, "2001:db8:1:3::1") as far,
        ):
            statuses = [
                (await try_to_log_in(client, account.email)).status_code for client in (near, far)
            ]

        assert statuses == [429, 401]

    @pytest.mark.both_stores
    async def test_a_burst_gets_no_more_than_ten(self, client, account):
        answers = await asyncio.gather(*(try_to_log_in(client, account.email) for _ in range(40)))

        assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 30}

    @pytest.mark.parametrize(("trusted", "last"), [("127.0.0.1", 401), ("10.0.0.1", 429)])
    async def test_a_trusted_proxy_says_who_calls(self, app, settings, account, trusted, last):
        async with behind(app, settings, trusted) as proxy:
            statuses = [
                await log_in_for(proxy, account.email, f"203.0.113.{number}")
                for number in range(11)
            ]

        assert statuses == [401] * 10 + [last]

    async def test_words_that_are_no_addresses_count_as_the_proxy(self, app, settings, account):
        async with behind(app, settings, "127.0.0.1") as proxy:
            statuses = [
                await log_in_for(proxy, account.email, name.format(number))
                for number in range(6)
                for name in ("unknown-{}", "203.0.113.7, 203.0.113.{}.1")
            ]

        assert statuses == [401] * 10 + [429] * 2

    @pytest.mark.parametrize("name", ["203.0.113.7:{}", "unknown-{}, 203.0.113.7"])
    async def test_ports_and_names_before_an_address_make_no_new_client(
        self, app, settings, account, name
    ):
        async with behind(app, settings, "127.0.0.1") as proxy:
            statuses = [
                await log_in_for(proxy, account.email, name.format(number))
                for number in range(1, 12)
            ]

        assert statuses == [401] * 10 + [429]

    async def test_a_session_shows_the_proxy_and_not_a_word(self, app, settings, account):
        async with behind(app, settings, "127.0.0.1") as proxy:
            proxy.headers["X-Forwarded-For"] = "unknown-1"
            session = (await try_to_log_in(proxy, account.email, PASSWORD)).json()
            headers = {"Authorization": f"Bearer {session['token']}"}
            shown = await proxy.get("/api/user/sessions", headers=headers)

        assert "127.0.0.1" in {each["client"] for each in shown.json()["data"]}
        assert "unknown-1" not in shown.text


class TestChangePassword:
    async def test_a_session_gets_no_more_than_ten_from_all_addresses(self, app, client, account):
        session = (await try_to_log_in(client, account.email, PASSWORD)).json()
        headers = {"Authorization": f"Bearer {session['token']}"}
        body = {"current_password": "wrong", "new_password": "another-one"}
        codes = []

        for number in range(11):
            async with from_address(app, f"203.0.113.{number}") as thief:
                response = await thief.post("/api/user/password", json=body, headers=headers)
            codes.append(response.json()["code"])

        assert codes == ["password_wrong"] * 10 + ["too_many_attempts"]


class TestRegister:
    @pytest.mark.slow
    async def test_one_client_makes_so_many_accounts_an_hour(self, app, make, clock):
        await make.user()

        async def register(number):
            body = {"email": f"a{number}@example.com", "password": PASSWORD}
            return await client.post("/api/auth/register", json=body)

        async with from_address(app, "203.0.113.9") as client:
            statuses = [(await register(number)).status_code for number in range(21)]
            clock.advance(timedelta(hours=1))
            later = await register(21)

        assert statuses == [201] * 20 + [429]
        assert later.status_code == 201

    async def test_who_is_refused_costs_no_hash(self, app, monkeypatch):
        async def hash_it(*_, **__):
            raise AssertionError

        monkeypatch.setattr(app.state.doors.passwords, "hash", hash_it)
        async with from_address(app, "203.0.113.9") as client:
            body = {"email": "a@example.com", "password": PASSWORD}
            response = await client.post("/api/auth/register", json=body)

        assert response.json()["code"] == "setup_required"
