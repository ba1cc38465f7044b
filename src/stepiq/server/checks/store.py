"""The data folder, the signing key, and the database."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from stepiq.accounts.secrets import rotation
from stepiq.accounts.secrets.rotation import Census
from stepiq.core.errors import StepIQError, Unavailable
from stepiq.core.keys import files as key_files
from stepiq.core.keys import files as keys
from stepiq.core.keys.encryption import Keyring
from stepiq.core.keys.files import DataFolderUnusable
from stepiq.core.settings.model import Settings
from stepiq.queue import worker_lease
from stepiq.server.checks.check import Check, failed, fatal, note, ok, warning
from stepiq.store import migrate, postgres_checks
from stepiq.store.connections import faults
from stepiq.store.connections.faults import NEARLY_FULL_BYTES, StoreFull, UnsafeStore
from stepiq.store.connections.refusals import shown
from stepiq.store.database import Database, StoreUnavailable, sqlite_version

STORE = frozenset({"data folder", "database server", "database"})
"""Names of the checks that must succeed before stored data can be read."""

_LOW_DISK_BYTES = 500 * 1024 * 1024


async def check_owner(settings: Settings) -> list[Check]:
    """Whether a process uses the SQLite file, which only one process can do."""
    if settings.sqlite_path is None or (pid := worker_lease.owner(settings.sqlite_path)) is None:
        return []
    return [note("process", f"stepIQ process {pid} uses {settings.sqlite_path}")]


async def check_store(settings: Settings) -> list[Check]:
    """The data folder, the key of access tokens, and the database."""
    folder = _check_folder(settings)
    if folder.error is not None and settings.sqlite_path is not None:
        return [folder]
    key = [] if folder.error is not None else [_check_jwt_key(settings)]
    return [folder, *key, *await asyncio.to_thread(_check_database, settings)]


def _check_folder(settings: Settings) -> Check:
    name, folder = "data folder", settings.data_dir.absolute()
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    cannot = f"{folder} cannot be created: " if nearest != folder else ""
    if (error := _write_error(nearest, cannot)) is not None:
        return fatal(name, error)
    free = shutil.disk_usage(nearest).free
    if free < NEARLY_FULL_BYTES:
        return fatal(name, _full(nearest))
    if nearest != folder:
        return ok(name, f"{folder} will be created on first start")
    if free < _LOW_DISK_BYTES:
        detail = f"{folder} has {free // 1024**2} MiB left."
        return warning(name, detail, "Free some disk space: every run stops on a full disk.")
    if key_files.is_open(folder):
        if not key_files.is_ours(folder):
            return fatal(name, key_files.open_to_all(folder))
        detail = f"All users of this machine can use {folder}."
        return warning(name, detail, "`stepiq serve` closes it to them when it starts.")
    return ok(name, f"{folder}, {free // 1024**3} GiB free")


def _write_error(folder: Path, cannot: str) -> StepIQError | None:
    """Why no file can be created in a folder. Tries it, because permissions are not enough: `/proc` looks writable.

    `cannot` begins the message, unless the disk is full.
    """
    problem = f"{folder} is a file, not a folder."
    if folder.is_dir():
        try:
            with tempfile.TemporaryDirectory(prefix=".stepiq-check-", dir=folder):
                return None
        except OSError as error:
            if faults.is_full(error):
                return _full(folder)
            problem = f"The server cannot write to {folder} ({error.strerror})."
    return DataFolderUnusable(
        f"{cannot}{problem} Set STEPIQ_DATA_DIR to a folder you may write to."
    )


def _full(folder: Path) -> StoreFull:
    return StoreFull(f"{folder} has no space left. Free space on its disk.")


def _check_jwt_key(settings: Settings) -> Check:
    name = "jwt key"
    if not keys.has_jwt_secret(settings):
        path = settings.data_dir.absolute() / "jwt.key"
        return ok(name, f"will be created on first start, in {path}")
    try:
        keys.jwt_secret(settings)
    except StepIQError as error:
        return fatal(name, error)
    if settings.jwt_secret is not None:
        return ok(name, "from STEPIQ_JWT_SECRET")
    return ok(name, str(settings.data_dir.absolute() / "jwt.key"))


def _check_database(settings: Settings) -> list[Check]:
    path = settings.sqlite_path
    what = f"SQLite {sqlite_version()}, {path}"
    if path is not None and not path.exists():
        return [ok("database", f"{what} will be created on first start")]
    try:
        if path is not None:
            faults.check_file(path)
        database = Database(settings)
        flaws = postgres_checks.flaws(database.url)
        server = [_check_flaw(flaw, settings) for flaw in flaws]
        if not all(isinstance(flaw, UnsafeStore) for flaw in flaws):
            return server
        revision = migrate.current_revision(database.url)
    except StepIQError as error:
        return [fatal("database", error)]
    found = what if path is not None else shown(database.url)
    return [*server, _check_schema(found, database.url, revision)]


def _check_flaw(flaw: Unavailable, settings: Settings) -> Check:
    name = "database server"
    if isinstance(flaw, UnsafeStore) and settings.allow_unsafe_store:
        return warning(name, flaw.message, "")
    return fatal(name, flaw)


def _check_schema(what: str, url: URL, revision: str | None) -> Check:
    known = migrate.known_revisions()
    if revision is None:
        return ok("database", f"{what}, empty: `stepiq serve` creates its tables")
    if revision == known[0]:
        return ok("database", f"{what}, schema {revision}")
    if revision in known:
        advice = "`stepiq serve` and `stepiq migrate` upgrade it. Back it up first."
        return note("database", f"{what}, schema {revision} of an older version", advice)
    return fatal("database", migrate.unknown(url, revision))


_KEY = "master key"
_SECRETS = "secrets"


async def check_secrets(settings: Settings) -> list[Check]:
    """Whether the server has the keys that decrypt its secrets. Requires that `check_store` has succeeded."""
    keyring = Keyring(settings)
    try:
        current = keyring.current
    except StepIQError as error:
        return [fatal(_KEY, error)]
    found = await _census(settings, keyring)
    stored = [] if found is None else [_check(found, keyring)]
    if current is None and found is not None and found.lost:
        return stored
    return [_check_key(settings, current), *stored]


async def _census(settings: Settings, keyring: Keyring) -> Census | None:
    database = Database(settings)
    try:
        if database.path is not None and not database.path.exists():
            return None
        return await rotation.census(database, keyring)
    except (StoreUnavailable, DBAPIError):
        # The table does not exist yet.
        return None
    finally:
        await database.close()


def _check_key(settings: Settings, current: str | None) -> Check:
    path = settings.data_dir.absolute() / "master.key"
    if current is None:
        return ok(_KEY, f"will be created in {path} when you store the first secret")
    return ok(_KEY, "from STEPIQ_MASTER_KEY" if settings.master_key is not None else str(path))


def _check(found: Census, keyring: Keyring) -> Check:
    if found.lost:
        detail = (
            f"{sum(found.lost.values()):,} of {found.total:,} secrets cannot be read: this server does not have their master key"
            f" ({', '.join(sorted(found.lost))})."
        )
        return failed(_SECRETS, detail, f"{keyring.advice} The secrets are still stored.")
    if found.rotatable:
        detail = f"{found.rotatable:,} of {found.total:,} use an earlier master key"
        return note(_SECRETS, detail, "`stepiq keys rotate` encrypts them with the current key.")
    if not found.total:
        return ok(_SECRETS, "none stored")
    return ok(_SECRETS, f"{found.total:,} stored, all with the current master key")
