"""Fixtures for tests of bulk jobs."""

import pytest


@pytest.fixture(autouse=True)
def _long_turns(monkeypatch):
    """A turn of a worker does not depend on the speed of the machine."""
    monkeypatch.setattr("stepiq.runs.bulk.worker._TURN_SECONDS", 60.0)
