"""Keeps tests of counters by day away from midnight UTC."""

from datetime import timedelta
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def midnight_is_far(clock: ModuleType) -> None:
    """Advance the clock past midnight UTC if less than 5 minutes are left to it."""
    if clock.now().date() != (clock.now() + timedelta(minutes=5)).date():
        clock.jump(timedelta(minutes=10))
