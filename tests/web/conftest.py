"""Nothing in this folder depends on the kind of store, so one of them is enough."""

from pathlib import Path

import pytest

from tests.support.stores import SqliteStores


@pytest.fixture
def database_url(sqlite_stores: SqliteStores, tmp_path: Path) -> str:
    return sqlite_stores.create(tmp_path)
