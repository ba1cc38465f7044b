"""Which pipelines use which secrets."""

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.secrets import queries
from stepiq.store.database import Session

_MOST_PIPELINES = 1_000


@dataclass(frozen=True, slots=True)
class UsingPipeline:
    """A pipeline that uses a secret."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class SecretUse:
    """The active pipelines whose newest versions use a secret of the workspace, or a secret that is not stored."""

    stored: dict[str, list[UsingPipeline]] = field(
        default_factory=lambda: defaultdict[str, list[UsingPipeline]](list)
    )
    missing: dict[str, list[UsingPipeline]] = field(
        default_factory=lambda: defaultdict[str, list[UsingPipeline]](list)
    )


async def uses(session: Session, actor: Actor) -> SecretUse:
    """The uses of secrets by the newest 1,000 active pipelines of the workspace.

    A pipeline with its own secret of the same name does not use the workspace's.
    """
    found = SecretUse()
    names = await queries.names(session, actor.workspace_id)
    for row in await queries.using_pipelines(session, actor.workspace_id, _MOST_PIPELINES):
        pipeline = UsingPipeline(row.id, row.name)
        for name in row.secret_names:
            if (row.id, name) not in names:
                uses_account = (None, name) in names
                (found.stored if uses_account else found.missing)[name].append(pipeline)
    return found
