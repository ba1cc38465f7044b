"""What all attacks have in common."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from workspaces import Workspace

from stepiq.store.database import Database

Extra = Callable[[], Awaitable[dict[str, float]]]
"""Measures what the bystander waits for besides its runs: seconds by name."""
Attack = Callable[[list[Workspace], Database, Workspace], AbstractAsyncContextManager[Extra]]
"""Attacks with these workspaces while its context is open. The last argument is the bystander."""

QUICK = "{id: a, type: transform, template: 'x'}"


async def nothing_more() -> dict[str, float]:
    return {}


@asynccontextmanager
async def quiet(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    yield nothing_more
