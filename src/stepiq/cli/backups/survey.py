"""Facts about a database for the manifest, read from the same snapshot that is copied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Ask = Callable[[str], Sequence[Any]]
"""Runs one statement and returns its rows."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about a database that restoring it depends on."""

    schema_revision: str
    secrets: dict[str, int]
    """Number of stored secrets that each master key decrypts, by fingerprint."""


def survey(ask: Ask, *, has_secrets: bool) -> Survey:
    """Read the facts from a database that has been migrated at least once."""
    revision = ask("SELECT version_num FROM alembic_version")[0][0]
    counts = ask("SELECT key_id, count(*) FROM secrets GROUP BY key_id") if has_secrets else ()
    return Survey(str(revision), {str(key_id): int(number) for key_id, number in counts})
