"""Fixtures for tests of bulk jobs."""

import pytest

from stepiq.core import clock


@pytest.fixture(autouse=True)
def _timeless_turns(monkeypatch):
    """A turn of a worker does not depend on the speed of the machine."""
    monkeypatch.setattr(clock, "monotonic", lambda: 0.0)
