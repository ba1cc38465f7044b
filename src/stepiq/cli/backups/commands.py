"""What `stepiq backup` and `stepiq restore` do, and what they say about it."""

import asyncio
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import typer

from stepiq import __version__
from stepiq.cli.backups import archive, keys, postgres, sqlite
from stepiq.cli.backups.archive import (
    BackupUnusable,
    Manifest,
    Reader,
    RestoreRefused,
    Store,
    Writer,
)
from stepiq.cli.backups.survey import Survey
from stepiq.cli.console import UsageError, say
from stepiq.core import clock, settings
from stepiq.core.keys import KeyUnusable, prepare_data_dir
from stepiq.core.settings import Settings
from stepiq.engine.presence import presence_of
from stepiq.store.database import Database
from stepiq.store.migrate import known_revisions


def backup(file: Path, *, with_keys: bool) -> None:
    """Copy everything that the server keeps into a new file, while it runs.

    Raises:
        UsageError: the file is there already, or its folder is not.
        BackupFailed: the database cannot be copied, or the file not be written.
        KeyUnusable: a key is damaged or readable by others.
    """
    _refuse_bad_name(file)
    configured = settings.load()
    store = _store(configured)
    created_at, in_force = clock.now(), keys.current(configured)
    with archive.writing(file) as writer:
        found = _copy(configured, store, writer, file.parent)
        if with_keys:
            keys.add(writer, configured)
        manifest = Manifest(
            schema_revision=found.schema_revision,
            store=store,
            created_at=created_at,
            master_key=in_force,
            secrets=found.secrets,
            contents=writer.contents,
        )
        writer.finish(manifest)
    size = file.stat().st_size / 1024
    typer.echo(f"{file}: {size:,.0f} KiB, schema {found.schema_revision}.")
    _say_keys(configured, manifest, with_keys=with_keys)


def restore(file: Path, *, force: bool) -> None:
    """Bring a backup back: all of it, or nothing.

    Raises:
        BackupUnusable: the file is damaged, newer than this version, or of the other kind of store.
        RestoreRefused, WorkerRunning: there is a database already, or somebody uses it.
        BackupFailed: the database cannot be written; it is as it was.
    """
    configured = settings.load()
    with archive.reading(file) as reader:
        manifest = reader.manifest
        _refuse_other(manifest, _store(configured), file)
        said = _put(configured, reader, force=force)
        _take_keys(configured, reader, file)
    made = f"made {clock.iso(manifest.created_at)} by stepIQ {manifest.stepiq}"
    typer.echo(f"{said} from {file}, {made}.")
    if manifest.schema_revision != known_revisions()[0]:
        say(
            "Its schema is of an older version: the next `stepiq serve` or `stepiq migrate` brings it up to date."
        )
    say(
        "Runs that had not ended then go on from their last recorded step when the server starts, and what was being "
        "delivered then may be delivered again."
    )
    _say_missing(configured, manifest)


def _refuse_bad_name(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} is there already. Name a new file.")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {file.absolute().parent}. Make it, or name another.")


def _store(configured: Settings) -> Store:
    return Store.POSTGRESQL if configured.sqlite_path is None else Store.SQLITE


def _copy(configured: Settings, store: Store, writer: Writer, folder: Path) -> Survey:
    if configured.sqlite_path is None:
        return postgres.dump(Database(configured).url, writer, store.member)
    # Beside the backup, where there has to be room, and for its owner only.
    with tempfile.TemporaryDirectory(prefix=".stepiq-backup-", dir=folder) as beside:
        copied = Path(beside) / store.member
        found = sqlite.copy(configured.sqlite_path, copied)
        with copied.open("rb") as source:
            writer.add(store.member, source)
    return found


def _refuse_other(manifest: Manifest, store: Store, file: Path) -> None:
    if manifest.store is not store:
        raise BackupUnusable(
            f"{file} is of {manifest.store.product}, and STEPIQ_DATABASE_URL names {store.product}: a backup goes back "
            "where it came from."
        )
    if manifest.schema_revision not in known_revisions():
        raise BackupUnusable(
            f"{file} was made by stepIQ {manifest.stepiq} and has a schema ({manifest.schema_revision}) that this version "
            f"({__version__}) does not know. Install stepIQ {manifest.stepiq} or newer."
        )


def _put(configured: Settings, reader: Reader, *, force: bool) -> str:
    """Bring the database back, and say what became of it."""
    database = Database(configured)
    path = configured.sqlite_path
    if path is None:
        postgres.load(reader, database.url, may_replace=force)
        return f"Restored the database {database.url.database}"
    prepare_data_dir(configured)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(database):
        if path.exists() and not force:
            raise RestoreRefused(
                f"There is a database {path}. Set STEPIQ_DATA_DIR to an empty folder, or put the backup in its place with "
                "--force: the present one is kept beside it."
            )
        kept = sqlite.put_in_place(reader, path)
    if kept is not None:
        say(f"The database that was there is kept as {kept}. Delete it when you don't need it.")
    return f"Restored {path}"


@contextmanager
def _alone(database: Database) -> Generator[None]:
    """Hold the lock that a server holds, for as long as its file is exchanged."""
    lock = presence_of(database)
    asyncio.run(lock.acquire())
    try:
        yield
    finally:
        asyncio.run(lock.release())


def _take_keys(configured: Settings, reader: Reader, file: Path) -> None:
    try:
        if keys.take_over(reader, configured):
            say("The keys of the backup are in the data folder.")
    except KeyUnusable as error:
        say(
            f"The keys of the backup were left in it. {error.message} They are in {file}: unzip -p {file} keys/master.key"
        )


def _say_keys(configured: Settings, manifest: Manifest, *, with_keys: bool) -> None:
    if with_keys:
        say(
            "It holds the server's keys: whoever has it can read every secret. Keep it as you keep those."
        )
    elif manifest.master_key is not None:
        say(
            f"The master key is not in it. Keep a copy of {keys.where(configured)} apart from it: without that, nobody "
            "can read the stored secrets."
        )
    elif manifest.secrets:
        needed = ", ".join(sorted(manifest.secrets))
        say(
            f"The master key is neither in it nor on this machine. Without the one called {needed}, nobody can read the "
            "stored secrets."
        )


def _say_missing(configured: Settings, manifest: Manifest) -> None:
    for key, number in sorted(keys.missing(configured, manifest).items()):
        secrets = "1 stored secret is" if number == 1 else f"{number:,} stored secrets are"
        typer.secho(
            f"{secrets} under the master key {key}, which is not here: runs that need them fail until it is. Give the "
            "server that key as STEPIQ_MASTER_KEY or in master.key, or add it to STEPIQ_PREVIOUS_MASTER_KEYS and run "
            "`stepiq keys rotate`.",
            fg="red",
            err=True,
        )
