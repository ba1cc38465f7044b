"""Neither login nor forgotten passwords tell by their time who has an account."""

import statistics
import time
from datetime import timedelta

import pytest

from stepiq.accounts.service import user_named
from stepiq.accounts.signing_in.registration import setup_token
from tests.support.make_accounts import PASSWORD

TIMINGS = 200
"""For as many equal times, `separability` is 0.5 with a standard deviation of 0.03: 0.65 is five of them away."""
SETTLED = 20
"""First answers are left out: caches fill, and threads start."""


def separability(ours, theirs):
    """How well a threshold tells two samples apart, from 0.5 (not at all) to 1 (Mann-Whitney's U, as a share)."""
    ranked = sorted([(value, True) for value in ours] + [(value, False) for value in theirs])
    ranks = sum(rank for rank, (_, is_ours) in enumerate(ranked, 1) if is_ours)
    share = (ranks - len(ours) * (len(ours) + 1) / 2) / (len(ours) * len(theirs))
    return max(share, 1 - share)


def typical_ratio(ours, theirs):
    """The median of the ratios of times that were measured one after the other, when the server had as much to do."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


@pytest.fixture
def measure(client, clock):
    """Times of answers to two addresses, asked in turns in an order that shows neither of them always first."""

    async def measure(path, known, body, other="nobody@example.com", timings=TIMINGS):
        times = {True: [], False: []}
        for number in range(timings + SETTLED):
            for is_known in (number % 2 == 0, number % 2 == 1):
                # So that neither is held up for its many failures.
                clock.advance(timedelta(minutes=2))
                email = known if is_known else other
                started = time.perf_counter()
                await client.post(path, json={"email": email, **body})
                times[is_known].append(time.perf_counter() - started)
        return times[True][SETTLED:], times[False][SETTLED:]

    return measure


class TestSeparability:
    def test_the_measure_would_notice(self):
        same, slower = list(range(100)), list(range(60, 160))

        assert separability(same, same) == pytest.approx(0.5, abs=0.01)
        assert separability(same, slower) > 0.8
        assert typical_ratio([1, 9, 2], [1, 8, 2]) == 1
        assert typical_ratio([4, 36, 8], [3, 27, 6]) > 1.25


# What is measured lies above the store, and takes its time: once is enough.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(900)
class TestNotSeparable:
    @pytest.mark.slow
    async def test_login(self, client, measure, database, app):
        # An account with a hash of full strength, as all of production has.
        proof = {"setup_token": setup_token(app.state.doors.jwt_secret)}
        body = {"email": "ada@example.com", "password": PASSWORD, **proof}
        assert (await client.post("/api/auth/register", json=body)).status_code == 201

        known, unknown = await measure("/api/auth/login", "ada@example.com", {"password": "wrong"})

        assert separability(known, unknown) < 0.65
        assert 0.8 < typical_ratio(known, unknown) < 1.25

    @pytest.mark.slow
    async def test_a_second_factor(self, measure, make, services):
        # Both have a weak hash, next to which the time of everything else would show most.
        ada, bob = await make.user(), await make.user()
        await make.two_factor(ada, keys=services.keyring)

        body = {"password": "wrong", "code": "123456"}
        with_it, without = await measure("/api/auth/login", ada.email, body, bob.email)

        assert separability(with_it, without) < 0.65
        assert 0.8 < typical_ratio(with_it, without) < 1.25

    @pytest.mark.slow
    async def test_a_second_factor_next_to_a_hash_of_full_strength(
        self, client, measure, database, app, make, services
    ):
        proof = {"setup_token": setup_token(app.state.doors.jwt_secret)}
        for email in ("ada@example.com", "bob@example.com"):
            body = {"email": email, "password": PASSWORD, **proof}
            assert (await client.post("/api/auth/register", json=body)).status_code == 201
        async with database.reading() as session:
            ada = await user_named(session, "ada@example.com")
        await make.two_factor(ada, keys=services.keyring)

        body = {"password": "wrong", "code": "123456"}
        with_it, without = await measure(
            "/api/auth/login", ada.email, body, "bob@example.com", timings=40
        )

        # A second check of a password would take as long again.
        assert 0.8 < typical_ratio(with_it, without) < 1.25

    @pytest.mark.slow
    async def test_forgot_password(self, account, measure, app):
        known, unknown = await measure("/api/auth/forgot-password", account.email, {})
        await app.state.doors.recovery.settle()

        assert separability(known, unknown) < 0.65
        assert 0.8 < typical_ratio(known, unknown) < 1.25
