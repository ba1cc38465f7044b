"""A working folder, and the checks that are made in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stepiq.core.settings.model import Settings, load
from stepiq.server.checks import Check
from tests.cli.conftest import folder, provider

__all__ = ["folder", "provider"]


@pytest.fixture
def only_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without those of the suite, which no server knows."""
    for name in list(os.environ):
        if name.startswith("STEPIQ_TEST_"):
            monkeypatch.delenv(name)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """The rights of a user that cannot write system folders, even if root runs the tests."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def here(folder: Path) -> Settings:
    return load()


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """As if a server used the database."""
    path = settings.sqlite_path
    assert path is not None
    with open(f"{path}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def named(found: list[Check], name: str) -> Check:
    return next(check for check in found if check.name == name)
