"""Fixtures of tests of accounts."""

import pytest

from stepiq.accounts.signing_in import password as signing_in

_REFUSAL_SECONDS = signing_in._REFUSAL_SECONDS


@pytest.fixture(autouse=True)
def quick_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse a login over the limit almost at once."""
    monkeypatch.setattr(signing_in, "_REFUSAL_SECONDS", 0.01)


@pytest.fixture
def slow_refusals(quick_refusals: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse a login over the limit when a server does."""
    monkeypatch.setattr(signing_in, "_REFUSAL_SECONDS", _REFUSAL_SECONDS)
