"""`stepiq backup` and `stepiq restore`, also of the server's keys."""

import asyncio
import io
import shlex
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stepiq import __version__
from stepiq.cli.backups import archive, sqlite, transfer
from stepiq.cli.backups.archive import (
    KEYS,
    BackupUnusable,
    Manifest,
    Reader,
    RestoreRefused,
    Writer,
    damaged,
)
from stepiq.cli.output.console import UsageError, print_text, say
from stepiq.core import clock
from stepiq.core.keys import files as key_files
from stepiq.core.keys.encryption import fingerprint
from stepiq.core.keys.files import KeyUnusable
from stepiq.core.settings import model as settings
from stepiq.core.settings.model import Settings
from stepiq.queue.worker_lease import presence_of
from stepiq.store import postgres_checks
from stepiq.store.database import Database
from stepiq.store.migrate import known_revisions

_MASTER, _PREVIOUS, _JWT = KEYS


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The keys in an archive."""

    master: bytes | None
    previous: list[bytes]
    jwt: bytes | None


def backup(file: Path, *, with_keys: bool) -> None:
    """Copy all data of a server with SQLite into a new file. The server can keep running."""
    _refuse_bad_name(file)
    configured = settings.load()
    path = configured.sqlite_path
    if path is None:
        raise _for_pg_dump(configured, file)
    created_at, in_force = clock.now(), _current_key(configured)
    with archive.writing(file) as writer:
        # In the folder of the backup, which needs the space anyway. Only the owner can read it.
        with tempfile.TemporaryDirectory(prefix=".stepiq-backup-", dir=file.parent) as beside:
            copied = Path(beside) / archive.DATABASE
            found = sqlite.copy(path, copied)
            with copied.open("rb") as source:
                writer.add(archive.DATABASE, source)
        if with_keys:
            _add_keys(writer, configured)
        manifest = Manifest(
            schema_revision=found.schema_revision,
            created_at=created_at,
            master_key=in_force,
            secrets=found.secrets,
            contents=writer.contents,
        )
        writer.finish(manifest)
    size = file.stat().st_size / 1024
    print_text(f"Backed up to {file}: {size:,.0f} KiB, schema {found.schema_revision}.")
    _say_keys(configured, manifest, with_keys=with_keys)


def restore(file: Path, *, force: bool) -> None:
    """Restore a backup completely, or change nothing."""
    configured = settings.load()
    with archive.reading(file) as reader:
        manifest = reader.manifest
        _refuse_newer(manifest, file)
        stored = _read_keys(reader)
        restored = _put(configured, reader, force=force)
    _take_keys(configured, stored, file)
    made = f"created {clock.iso(manifest.created_at)} by stepIQ {manifest.stepiq}"
    print_text(f"{restored} from {file}, {made}.")
    if configured.sqlite_path is not None and manifest.schema_revision != known_revisions()[0]:
        say("The schema is from an older version. `stepiq serve` or `stepiq migrate` upgrades it.")
    say(
        "When the server starts, unfinished runs continue from their last recorded step. Deliveries that were in progress at the "
        "time of the backup can be sent twice."
    )
    _say_missing(configured, manifest)


def _refuse_bad_name(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} already exists. Use a new file name.")
    if not file.absolute().parent.is_dir():
        raise UsageError(
            f"Folder {file.absolute().parent} does not exist. Create it, or use another folder."
        )


def _for_pg_dump(configured: Settings, file: Path) -> UsageError:
    url = Database(configured).url.difference_update_query(["password"])
    address = url._replace(drivername="postgresql", password=None).render_as_string()
    dump = shlex.join(["pg_dump", "--format=custom", f"--file={file}", address])
    return UsageError(
        "`stepiq backup` copies SQLite, but this server uses PostgreSQL. Use PostgreSQL's own program, and see"
        f" `stepiq docs backups#postgresql`: {dump}"
    )


def _refuse_newer(manifest: Manifest, file: Path) -> None:
    if manifest.schema_revision not in known_revisions():
        raise BackupUnusable(
            f"{file} was created by stepIQ {manifest.stepiq} and has a schema ({manifest.schema_revision}) that this version "
            f"({__version__}) does not know. Install stepIQ {manifest.stepiq} or newer."
        )


def _put(configured: Settings, reader: Reader, *, force: bool) -> str:
    """Restore the database. Returns a description of what was restored."""
    database = Database(configured)
    path = configured.sqlite_path
    if path is None:
        postgres_checks.check(database.url, allow_unsafe=configured.allow_unsafe_store)
        copied = transfer.restore(reader, database.url, may_replace=force)
        say(f"Copied {copied.rows:,} rows of {copied.tables} tables from SQLite to PostgreSQL.")
        return f"Restored the database {database.url.database}"
    key_files.prepare_folder(configured)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(database):
        if path.exists() and not force:
            raise RestoreRefused(
                f"The database {path} already exists. Set STEPIQ_DATA_DIR to an empty folder, or replace the database with --force."
                " The old one is then kept in the same folder."
            )
        kept = sqlite.put_in_place(reader, path)
    if kept is not None:
        say(f"The old database is now {kept}. Delete it when you no longer need it.")
    return f"Restored {path}"


@contextmanager
def _alone(database: Database) -> Generator[None]:
    """Hold the server's lock while the database file is replaced."""
    lock = presence_of(database)
    asyncio.run(lock.acquire())
    try:
        yield
    finally:
        asyncio.run(lock.release())


def _take_keys(configured: Settings, stored: StoredKeys, file: Path) -> None:
    try:
        if _store_keys(stored, configured):
            say("The keys of the backup were restored into the data folder.")
    except KeyUnusable as error:
        say(
            f"The keys of the backup were not restored. {error.message} To see them: unzip -p {file} keys/master.key"
        )


def _say_keys(configured: Settings, manifest: Manifest, *, with_keys: bool) -> None:
    if with_keys:
        say(
            "The backup contains the server's keys: anyone who has the file can read every secret. Store it as safely as the keys."
        )
    elif manifest.master_key is not None:
        say(
            f"The backup does not contain the master key. Keep a copy of {_key_place(configured)} in another place: without it,"
            " the stored secrets cannot be read."
        )
    elif manifest.secrets:
        needed = ", ".join(sorted(manifest.secrets))
        say(
            f"Neither the backup nor this machine has the master key. Without the key {needed}, the stored secrets cannot be"
            " read."
        )


def _say_missing(configured: Settings, manifest: Manifest) -> None:
    for key, number in sorted(_missing_keys(configured, manifest).items()):
        secrets = "1 stored secret is" if number == 1 else f"{number:,} stored secrets are"
        say(
            f"{secrets} encrypted with the master key {key}, which this server does not have. Runs and two-factor"
            " logins that need them fail. Set"
            " STEPIQ_MASTER_KEY to that key or put it into master.key, or add it to STEPIQ_PREVIOUS_MASTER_KEYS and run"
            " `stepiq keys rotate`.",
            color="red",
        )


def _current_key(configured: Settings) -> str | None:
    """Fingerprint of the current master key, or None if it does not exist yet. Does not create a key."""
    return (
        fingerprint(key_files.master_key(configured))
        if key_files.has_master_key(configured)
        else None
    )


def _key_place(configured: Settings) -> str:
    """The source of the current master key: a variable or a file."""
    if configured.master_key is not None:
        return "STEPIQ_MASTER_KEY"
    return str(configured.data_dir.absolute() / "master.key")


def _missing_keys(configured: Settings, manifest: Manifest) -> dict[str, int]:
    """Number of secrets in a backup that this server cannot decrypt, by the fingerprint of the missing key."""
    known = {fingerprint(key) for key in key_files.previous_master_keys(configured)} | {
        _current_key(configured)
    }
    return {key: number for key, number in manifest.secrets.items() if key not in known}


def _add_keys(writer: Writer, configured: Settings) -> None:
    """Add every key of this server to the archive."""
    found = {_PREVIOUS: key_files.encode_master_keys(key_files.previous_master_keys(configured))}
    if key_files.has_master_key(configured):
        found[_MASTER] = key_files.encode_master_keys([key_files.master_key(configured)])
    if key_files.has_jwt_secret(configured):
        found[_JWT] = key_files.jwt_secret(configured)
    for name in KEYS:
        if found.get(name):
            writer.add(name, io.BytesIO(found[name] + b"\n"))


def _read_keys(reader: Reader) -> StoredKeys:
    """Read the archive's keys."""
    master, jwt = _master_keys(reader, _MASTER), reader.key(_JWT)
    if jwt is not None and len(jwt) < key_files.MIN_SECRET_BYTES:
        raise damaged(reader.path, f"{_JWT} has less than {key_files.MIN_SECRET_BYTES} bytes")
    return StoredKeys(master[0] if master else None, _master_keys(reader, _PREVIOUS), jwt)


def _store_keys(stored: StoredKeys, configured: Settings) -> bool:
    """Store the archive's keys that this server lacks, and keep its own. Returns whether the archive has a master key."""
    if stored.jwt is not None:
        key_files.adopt_jwt_secret(configured, stored.jwt)
    if stored.master is not None:
        key_files.adopt_master_keys(configured, stored.master, stored.previous)
    return stored.master is not None


def _master_keys(reader: Reader, name: str) -> list[bytes]:
    text = reader.key(name)
    if text is None:
        return []
    try:
        found = key_files.decode_master_keys(text, name)
    except KeyUnusable:
        found = []
    if not found:
        raise damaged(reader.path, f"{name} contains no key of 32 bytes in base64")
    return found
