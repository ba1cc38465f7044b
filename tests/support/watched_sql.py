"""Shows tests the SQL that the store executes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest

from stepiq.store.connections.postgresql import PooledConnection
from stepiq.store.connections.sqlite import SqliteReader, SqliteWriter

_CLASSES: tuple[Any, ...] = (SqliteWriter, SqliteReader, PooledConnection)

Note = Callable[[Any, str, Sequence[Any]], None]
"""Called with the connection, the SQL and the values before each execution; with BEGIN and COMMIT, too."""


@contextmanager
def watched(note: Note) -> Iterator[None]:
    """Call `note` for what all databases of this process execute in the block, except migrations and the queue's library."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in _CLASSES:
            for name in ("execute", "execute_many", "begin", "commit"):
                patch.setattr(kind, name, _noting(getattr(kind, name), name, note))
        yield


def _noting(method: Callable[..., Any], name: str, note: Note) -> Callable[..., Any]:
    @wraps(method)
    async def noting(connection: Any, sql: str = "", values: Sequence[Any] = ()) -> Any:
        if not sql:
            note(connection, name.upper(), ())
            return await method(connection)
        if sql not in ("BEGIN", "COMMIT"):
            note(connection, sql, values[0] if name == "execute_many" else values)
        return await method(connection, sql, values)

    return noting
