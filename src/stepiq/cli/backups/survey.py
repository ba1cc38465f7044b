"""Facts about a database for the manifest, read from the same snapshot that is copied."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_SEALED = ("secrets", "totp_secrets")
"""The tables with values that the master key decrypts."""

Ask = Callable[[str], Sequence[Any]]
"""Runs one statement and returns its rows."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about a database that restoring it depends on."""

    schema_revision: str
    secrets: dict[str, int]
    """Number of stored secrets that each master key decrypts, by fingerprint."""


def survey(ask: Ask, has_table: Callable[[str], bool]) -> Survey:
    """Read the facts from a database that has been migrated at least once. It can be one of an earlier version."""
    revision = ask("SELECT version_num FROM alembic_version")[0][0]
    counts: Counter[str] = Counter()
    for table in filter(has_table, _SEALED):
        rows = ask(f"SELECT key_id, count(*) FROM {table} GROUP BY key_id")  # noqa: S608 — our own name
        counts.update({str(key_id): int(number) for key_id, number in rows})
    return Survey(str(revision), dict(counts))
