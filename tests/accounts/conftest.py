"""Fixtures of tests of accounts."""

import pytest

from tests.support import loop_time
from tests.support.loop_time import ChangedTimers


@pytest.fixture(autouse=True)
async def refusals() -> ChangedTimers:
    """The pauses of a second before refusals of logins. They take 10 ms."""
    return loop_time.quicken(1)
