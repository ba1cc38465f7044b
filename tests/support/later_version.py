"""A later version of stepIQ, whose schema has more migrations."""

import shutil
from pathlib import Path

import pytest

from stepiq.store import migrate

_MIGRATION = """
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.execute({statement!r})
"""


def add_migrations(monkeypatch: pytest.MonkeyPatch, folder: Path, *statements: str) -> list[str]:
    """Continue as a version with a migration for each SQL statement. Returns their revisions."""
    before, made = migrate.known_revisions()[0], list[str]()
    scripts = folder / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts)
    for statement in statements:
        revision = str(int(before) + 1)
        text = _MIGRATION.format(revision=revision, before=before, statement=statement)
        (scripts / "versions" / f"later_{revision}.py").write_text(text)
        made.append(before := revision)
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    return made
