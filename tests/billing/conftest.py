from datetime import timedelta
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def midnight_is_far(clock: ModuleType) -> None:
    """Move the time of a test that starts shortly before midnight UTC to the next day: much is counted by day."""
    if clock.now().date() != (clock.now() + timedelta(minutes=5)).date():
        clock.jump(timedelta(minutes=10))
