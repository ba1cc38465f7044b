"""`stepiq migrate`, and what others ask about the state of the schema."""

from pathlib import Path

import typer
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from stepiq.core import keys, settings
from stepiq.engine import tickets
from stepiq.store import migrate as migrations
from stepiq.store import safety
from stepiq.store.database import Database, StoreUnavailable

_SCRIPTS = Path(migrations.__file__).parent / "migrations"


def migrate() -> None:
    """Apply the migrations that are missing and say which.

    Raises:
        StoreUnavailable: the database cannot be reached.
        UnsafeStore, StoreUnsupported: it would lose what it confirms, or cannot be used.
        SchemaTooNew: a newer stepIQ has written it.
    """
    configured = settings.load()
    if configured.sqlite_path is not None:
        keys.prepare_data_dir(configured)
    url = Database(configured).url
    safety.check(url, allow_unsafe=configured.allow_unsafe_store)
    before = current_revision(url)
    migrations.upgrade(url)
    tickets.prepare(url)
    after = current_revision(url)
    shown = url.render_as_string(hide_password=True)
    if before == after:
        typer.echo(f"{shown} is at {after} already: nothing to do.")
    else:
        typer.echo(f"{shown} went from {before or 'empty'} to {after}.")


def current_revision(url: URL) -> str | None:
    """The revision a database's schema is at; None for an empty one.

    Raises:
        StoreUnavailable: it cannot be reached.
    """
    engine = migrations.sync_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        shown = url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise StoreUnavailable(f"The database {shown} cannot be used: {reason}") from None
    finally:
        engine.dispose()


def known_revisions() -> list[str]:
    """Every revision of this version's history; databases are brought to the first."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
