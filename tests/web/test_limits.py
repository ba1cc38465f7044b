from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core import clock
from stepiq.web.limits import Limiter

pytestmark = pytest.mark.one_store

MINUTE = timedelta(minutes=1)
START = clock.now()


class TestHit:
    def test_the_limit_is_reached_by_the_one_after_it(self):
        limiter = Limiter(3, MINUTE)

        decisions = [limiter.hit("a", START) for _ in range(5)]

        assert [each.is_allowed for each in decisions] == [True, True, True, False, False]
        assert [each.remaining for each in decisions] == [2, 1, 0, 0, 0]

    def test_a_period_begins_with_the_first_one_and_says_when_it_ends(self):
        limiter = Limiter(1, MINUTE)
        limiter.hit("a", START)

        refused = limiter.hit("a", START + timedelta(seconds=59))

        assert not refused.is_allowed
        assert refused.reset == timedelta(seconds=1)
        assert limiter.hit("a", START + MINUTE).is_allowed

    def test_what_is_refused_does_not_count(self):
        limiter = Limiter(1, MINUTE)
        for second in range(60):
            limiter.hit("a", START + timedelta(seconds=second))

        assert limiter.hit("a", START + MINUTE).is_allowed

    def test_keys_do_not_share(self):
        limiter = Limiter(1, MINUTE)
        limiter.hit("a", START)

        assert limiter.hit("b", START).is_allowed

    def test_a_key_may_have_a_limit_of_its_own(self):
        limiter = Limiter(1, MINUTE)

        decisions = [limiter.hit("a", START, limit=2) for _ in range(3)]

        assert [each.is_allowed for each in decisions] == [True, True, False]
        assert decisions[0].limit == 2

    def test_a_limit_that_was_lowered_leaves_nothing(self):
        limiter = Limiter(5, MINUTE)
        for _ in range(4):
            limiter.hit("a", START)

        refused = limiter.hit("a", START, limit=2)

        assert (refused.is_allowed, refused.remaining) == (False, 0)

    def test_a_clock_that_is_set_back_refuses_nobody_for_longer(self):
        limiter = Limiter(1, MINUTE)
        limiter.hit("a", START + timedelta(days=1))

        assert limiter.hit("a", START).is_allowed

    def test_the_quietest_keys_are_forgotten(self):
        limiter = Limiter(2, MINUTE, max_keys=2)
        limiter.hit("a", START)
        limiter.hit("b", START)
        limiter.hit("a", START)
        limiter.hit("c", START)

        assert not limiter.hit("a", START).is_allowed
        assert limiter.hit("b", START).remaining == 1

    @given(st.lists(st.integers(0, 200), max_size=100).map(sorted), st.integers(1, 5))
    def test_no_period_ever_has_more_than_the_limit(self, seconds, limit):
        limiter = Limiter(limit, MINUTE)
        allowed = []
        for second in seconds:
            if limiter.hit("a", START + timedelta(seconds=second)).is_allowed:
                allowed.append(second)

        begun, count = -60, 0
        for second in allowed:
            if second - begun >= 60:
                begun, count = second, 0
            count += 1
            assert count <= limit
