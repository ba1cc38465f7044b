"""Slow tests start first on each worker."""

import pytest

from tests.support.order import slow_first


class TestSlowFirst:
    @pytest.mark.parametrize(
        ("slow", "others"), [(0, 0), (0, 5), (5, 0), (9, 1), (25, 975), (7, 96)]
    )
    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_it_loses_and_repeats_none(self, slow: int, others: int, workers: int):
        tests = [*range(slow + others)]

        ordered = slow_first(tests[:slow], tests[slow:], workers)

        assert sorted(ordered) == tests

    def test_one_worker_runs_the_slow_ones_first(self):
        assert slow_first(["slowest", "slow"], ["a", "b"], 1) == ["slowest", "slow", "a", "b"]

    def test_each_worker_starts_with_its_share(self):
        ordered = slow_first(range(6), range(6, 103), 4)

        # The sizes of the parts that `--dist worksteal` sends to four workers.
        first, second, third, last = ordered[:25], ordered[25:51], ordered[51:77], ordered[77:]
        assert (first[:2], second[:2], third[:1], last[:1]) == ([0, 4], [1, 5], [2], [3])
        assert all(each >= 6 for part in (first, second, third, last) for each in part[2:])
