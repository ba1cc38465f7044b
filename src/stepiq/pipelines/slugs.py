"""Choices of slugs for pipelines."""

import re
import secrets
import unicodedata
from uuid import UUID

from stepiq.core.slugs import is_slug
from stepiq.pipelines import slug_queries as queries
from stepiq.pipelines.errors import SlugTaken
from stepiq.store.database import Session

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
    taken = await queries.taken(session, workspace_id, candidates)
    return next((slug for slug in candidates if slug not in taken and is_slug(slug)), unusual(name))


def unusual(name: str) -> str:
    """A slug for a name that is probably free."""
    # The letter x is no hexadecimal digit, so the slug cannot look like an id.
    return f"{made_from(name)}-x{secrets.token_hex(4)}"


async def taken(session: Session, workspace_id: UUID, slug: str) -> SlugTaken:
    """The error for a slug that another pipeline has. An archived pipeline keeps its slug."""
    status = await queries.status_of(session, workspace_id, slug)
    return SlugTaken(slug, status)
