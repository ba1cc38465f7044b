"""Erases a workspace in a separate process, for tests that kill it.

It prints a line for each batch that it deletes, and then waits for a line on standard input. Its argument is the id of
the workspace; the settings come from the environment.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from uuid import UUID

from stepiq.accounts.workspaces import erasing as queries
from stepiq.accounts.workspaces.erasing import Eraser
from stepiq.core.settings import model as settings
from stepiq.server.assembly import built
from stepiq.store.database import Session

Delete = Callable[[Session], Awaitable[int]]
_parts = queries.parts


def _noticed(delete: Delete) -> Delete:
    async def delete_and_wait(session: Session) -> int:
        if deleted := await delete(session):
            sys.stdout.write(f"batch {deleted}\n")
            sys.stdout.flush()
            # Until the test lets it continue, or kills it.
            sys.stdin.readline()
        return deleted

    return delete_and_wait


async def main(workspace_id: UUID) -> None:
    queries._ROWS = queries._RUNS = 1
    queries.parts = lambda workspace_id: [_noticed(each) for each in _parts(workspace_id)]
    async with built(settings.load()) as services:
        # PostgreSQL may not have noticed yet that the process with the lock is dead.
        while not await Eraser(services.database, services.engine).erase(workspace_id):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1])))
