"""What the store needs from a connection to either database, and the pool of those that are open."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol


class Fetched(NamedTuple):
    """What a statement returned."""

    names: Sequence[str]
    """The names of the columns; none if it returns no rows."""
    rows: Sequence[Sequence[Any]]
    rowcount: int


class Connection(Protocol):
    """A connection to one of the databases. Its errors are those of the driver."""

    async def begin(self) -> None:
        """Begin a transaction. Without one, each statement is a transaction."""
        ...

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> Fetched:
        """Execute one statement, and fetch all rows."""
        ...

    async def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> int:
        """Execute a statement once for each element. Returns the number of changed rows."""
        ...

    async def commit(self) -> None:
        """Commit the transaction."""
        ...

    async def rollback(self) -> None:
        """Undo the transaction."""
        ...

    async def close(self) -> None:
        """Close the connection, which ends its transaction without a commit."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether no further statement is possible."""
        ...

    async def check(self) -> None:
        """Raise an error if the connection is lost. Called before an unused connection is used again."""
        ...


class Pool:
    """Open connections. The caller limits how many are in use.

    The latest one is used first, so that few of them have been idle for long.
    """

    def __init__(self, open_one: Callable[[], Awaitable[Connection]]) -> None:
        self._open_one = open_one
        self._idle: list[Connection] = []
        self.in_use = 0
        """The number of connections that have been taken and not given back."""

    async def take(self) -> Connection:
        """An unused connection, or a new one. The caller must `give_back` it."""
        self.in_use += 1
        try:
            while self._idle:
                connection = self._idle.pop()
                try:
                    await connection.check()
                except BaseException as error:
                    await connection.close()
                    if not isinstance(error, Exception):
                        raise
                    # All others were probably closed with it.
                    await self.close()
                else:
                    return connection
            return await self._open_one()
        except BaseException:
            self.in_use -= 1
            raise

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next caller, unless it is closed."""
        self.in_use -= 1
        if not connection.is_closed:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close the unused connections. The next callers get new ones."""
        while self._idle:
            await self._idle.pop().close()
