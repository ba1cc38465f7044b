"""Slugs of pipelines: chosen for a name, and looked up."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.ids import is_slug
from stepiq.pipelines.errors import SlugTaken
from stepiq.store.database import Session
from stepiq.store.states import PipelineStatus
from stepiq.store.tables import pipelines


async def taken(session: Session, workspace_id: UUID, wanted: Sequence[str]) -> set[str]:
    """The given slugs that pipelines of the workspace already use."""
    rows = await session.execute(
        sa.select(pipelines.c.slug).where(
            pipelines.c.workspace_id == workspace_id, pipelines.c.slug.in_(wanted)
        )
    )
    return set(rows.scalars())


async def find(session: Session, workspace_id: UUID, slug: str) -> UUID | None:
    """The id of the saved pipeline of the workspace with a slug, archived or not."""
    return (await session.execute(find_statement(workspace_id, slug))).scalar_one_or_none()


async def status_of(session: Session, workspace_id: UUID, slug: str) -> PipelineStatus | None:
    """The stored status of the pipeline of the workspace with a slug."""
    statement = find_statement(workspace_id, slug).with_only_columns(pipelines.c.status)
    status = (await session.execute(statement)).scalar_one_or_none()
    return None if status is None else PipelineStatus(status)


def find_statement(workspace_id: UUID, slug: str) -> sa.Select[Any]:
    """Find the id of the saved pipeline of the workspace with a slug."""
    return sa.select(pipelines.c.id).where(
        pipelines.c.workspace_id == workspace_id,
        pipelines.c.slug == slug,
        pipelines.c.is_unsaved.is_(False),
    )


_MAX_LENGTH = 60
_TRIES = 20


def made_from(name: str) -> str:
    """The slug for a name: at most 60 lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain)[:_MAX_LENGTH].strip("-")
    return made if is_slug(made) else f"pipeline-{made}".strip("-")


async def free(session: Session, workspace_id: UUID, name: str) -> str:
    """A slug for a name that no pipeline of the workspace has now."""
    base = made_from(name)
    candidates = [base, *(f"{base}-{n}" for n in range(2, _TRIES))]
    used = await taken(session, workspace_id, candidates)
    return next((slug for slug in candidates if slug not in used and is_slug(slug)), unusual(name))


def unusual(name: str) -> str:
    """A slug for a name that is probably free."""
    # The letter x is no hexadecimal digit, so the slug cannot look like an id.
    return f"{made_from(name)}-x{secrets.token_hex(4)}"


async def conflict(session: Session, workspace_id: UUID, slug: str) -> SlugTaken:
    """The error for a slug that another pipeline has. An archived pipeline keeps its slug."""
    status = await status_of(session, workspace_id, slug)
    return SlugTaken(slug, status)
