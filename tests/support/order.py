"""The order of the tests on several workers."""

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

Test = TypeVar("Test")


def slow_first(slow: Sequence[Test], others: Sequence[Test], workers: int) -> list[Test]:
    """Order the tests so that each worker starts with its share of the slow ones.

    At first, `--dist worksteal` gives each worker an equal part of the list. A worker that has finished its part takes
    over tests from the end of another one's. In a list with all slow tests first, the first worker would have them all,
    and some would start last.

    Args:
        slow: the longest first.
        others: in any order.
        workers: the number of processes that run tests.
    """
    left = len(slow) + len(others)
    waiting = iter(others)
    ordered: list[Test] = []
    for worker in range(workers):
        size = left // (workers - worker)
        share = slow[worker::workers]
        ordered += share
        ordered += islice(waiting, max(0, size - len(share)))
        left -= max(size, len(share))
    return [*ordered, *waiting]
