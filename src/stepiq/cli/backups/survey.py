"""What the manifest tells about a database: asked in the same moment that is copied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Ask = Callable[[str], Sequence[Any]]
"""Runs one statement and gives its rows."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a database holds, as far as restoring it depends on that."""

    schema_revision: str
    secrets: dict[str, int]
    """How many stored secrets each master key opens, by its fingerprint."""


def survey(ask: Ask, *, has_secrets: bool) -> Survey:
    """Ask a database that has been migrated at least once."""
    revision = ask("SELECT version_num FROM alembic_version")[0][0]
    counts = ask("SELECT key_id, count(*) FROM secrets GROUP BY key_id") if has_secrets else ()
    return Survey(str(revision), {str(key_id): int(number) for key_id, number in counts})
