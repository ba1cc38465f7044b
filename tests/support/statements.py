"""Shares compiled SQL between tests, because compiling takes a third of the time of a test with a store.

SQLAlchemy caches compiled statements per engine and dialect, and every test has a separate engine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

_DIALECTS = (SQLiteDialect_pysqlite, PGDialect_psycopg)


@contextmanager
def kept_statements() -> Iterator[None]:
    """Share compiled statements between all engines of migrations and of the queue."""
    kept: dict[Any, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for dialect in _DIALECTS:
            # The dialect is part of the cache key. All dialects of a class have the same configuration here.
            patch.setattr(dialect, "__eq__", lambda self, other: type(self) is type(other))
            patch.setattr(dialect, "__hash__", lambda self: hash(type(self)))
        patch.setattr(sa, "create_engine", _keeping(sa.create_engine, kept))
        yield


def _keeping(make: Any, kept: dict[Any, Any]) -> Any:
    def keep(*arguments: Any, **options: Any) -> Any:
        return make(*arguments, execution_options={"compiled_cache": kept}, **options)

    return keep
