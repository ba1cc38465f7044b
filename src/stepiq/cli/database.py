"""`stepiq migrate`, and the settings of the other commands that use the database."""

from stepiq.cli.output.console import UsageError, print_text, say
from stepiq.core.keys import files as key_files
from stepiq.core.settings import model as settings
from stepiq.core.settings.model import Settings
from stepiq.queue import tickets
from stepiq.store import migrate as migrations
from stepiq.store import postgres_checks
from stepiq.store.connections.refusals import shown
from stepiq.store.database import Database

_WAITS = "Another program uses a table of the database. The upgrade continues when it has finished."


def migrate() -> None:
    """Apply missing migrations and print the versions.

    Raises:
        StoreUnavailable: the database cannot be reached.
        StoreRefused, StoreUnsupported: it cannot be used.
        UnsafeStore: it can lose confirmed data.
        SchemaTooNew, SchemaTooOld: another version of stepIQ has created it.
    """
    configured = settings.load()
    if configured.sqlite_path is not None:
        key_files.prepare_folder(configured)
    url = Database(configured).url
    postgres_checks.check(url, allow_unsafe=configured.allow_unsafe_store)
    before = migrations.current_revision(url)
    migrations.upgrade(url, on_wait=lambda: say(_WAITS))
    tickets.prepare(url)
    after = migrations.current_revision(url)
    if before == after:
        print_text(f"{shown(url)} already has schema {after}.")
    elif before is None:
        print_text(f"{shown(url)}: created schema {after}.")
    else:
        print_text(f"{shown(url)}: upgraded the schema from {before} to {after}.")


def load_settings() -> Settings:
    """The settings of a server whose database exists, for commands that must not create or migrate one.

    Raises:
        StoreMissing: the configured database does not exist.
        StoreUnavailable, StoreRefused: it cannot be used.
        SchemaTooNew, SchemaTooOld: another version of stepIQ has created it.
        UsageError: an older version has created it.
    """
    configured = settings.load()
    url = Database(configured).url
    revision = migrations.require(url)
    if revision not in migrations.known_revisions():
        raise migrations.unknown(url, revision)
    if revision != migrations.known_revisions()[0]:
        raise UsageError(
            f"The database has schema {revision}, which is not the schema of this version. Run `stepiq migrate` first."
        )
    return configured


def warn_about_address(configured: Settings) -> None:
    """Say which address a printed link has, if it may not be that of the server.

    This process does not know the options of `stepiq serve`, such as `--port`, or a proxy in front of the server.
    """
    if not configured.public_url:
        say(
            f"The link opens a server at {configured.base_url}. If yours has another address, set STEPIQ_PUBLIC_URL to it"
            " and create the link again."
        )
