"""The data folder, its keys, and the database."""

import asyncio
import os
import shutil
from pathlib import Path

from stepiq.core import data_folder, keys
from stepiq.core.data_folder import DataFolderUnusable
from stepiq.core.errors import StepIQError, Unavailable
from stepiq.core.settings import Settings
from stepiq.engine import presence
from stepiq.server.checks.check import Check, fatal, note, ok, warning
from stepiq.store import faults, migrate, safety
from stepiq.store.database import Database, UnsafeStore, sqlite_version
from stepiq.store.faults import NEARLY_FULL_BYTES, StoreFull
from stepiq.store.migrate import SchemaTooNew
from stepiq.store.refusals import shown

_LOW_DISK_BYTES = 500 * 1024 * 1024


async def check_owner(settings: Settings) -> list[Check]:
    """Whether a process uses the SQLite file, and so no other can."""
    if settings.sqlite_path is None or (pid := presence.owner(settings.sqlite_path)) is None:
        return []
    return [note("process", f"stepIQ process {pid} uses {settings.sqlite_path}")]


async def check_store(settings: Settings) -> list[Check]:
    """The data folder, the keys and the database."""
    folder = _check_folder(settings)
    return [folder, *_check_keys(settings), *await asyncio.to_thread(_check_database, settings)]


def _check_folder(settings: Settings) -> Check:
    name, folder = "data folder", settings.data_dir.absolute()
    if not folder.exists():
        parent = next(each for each in folder.parents if each.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return _unwritable(name, f"{folder} cannot be created: you may not write to {parent}.")
        return ok(name, f"{folder} will be created on first start")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return _unwritable(name, f"You may not write to {folder}.")
    free = shutil.disk_usage(folder).free
    if free < NEARLY_FULL_BYTES:
        return fatal(name, StoreFull(f"{folder} has no space left. Free space on its disk."))
    if free < _LOW_DISK_BYTES:
        detail = f"{folder} has {free // 1024**2} MiB left."
        return warning(name, detail, "Free some disk space: every run stops on a full disk.")
    if data_folder.is_open(folder):
        if not data_folder.is_ours(folder):
            return fatal(name, data_folder.open_to_all(folder))
        detail = f"All users of this machine can use {folder}."
        return warning(name, detail, "`stepiq serve` closes it to them when it starts.")
    return ok(name, f"{folder}, {free // 1024**3} GiB free")


def _unwritable(name: str, problem: str) -> Check:
    return fatal(
        name, DataFolderUnusable(f"{problem} Set STEPIQ_DATA_DIR to a folder you may write to.")
    )


def _check_keys(settings: Settings) -> list[Check]:
    signs, opens = settings.jwt_secret is not None, settings.master_key is not None
    return [
        _check_key("jwt key", settings, signs, "STEPIQ_JWT_SECRET", "jwt.key"),
        _check_key("master key", settings, opens, "STEPIQ_MASTER_KEY", "master.key"),
    ]


def _check_key(name: str, settings: Settings, is_given: bool, variable: str, file: str) -> Check:
    path: Path = settings.data_dir.absolute() / file
    if not is_given and not path.exists():
        return ok(name, f"will be created on first start, in {path}")
    try:
        read = keys.jwt_secret if file == "jwt.key" else keys.master_key
        read(settings)
    except StepIQError as error:
        return fatal(name, error)
    return ok(name, f"from {variable}" if is_given else str(path))


def _check_database(settings: Settings) -> list[Check]:
    path = settings.sqlite_path
    what = f"SQLite {sqlite_version()}, {path}"
    if path is not None and not path.exists():
        return [ok("database", f"{what} will be created on first start")]
    try:
        if path is not None:
            faults.check_file(path)
        database = Database(settings)
        flaws = safety.flaws(database.url)
        server = [_check_flaw(flaw, settings) for flaw in flaws]
        if not all(isinstance(flaw, UnsafeStore) for flaw in flaws):
            return server
        revision = migrate.current_revision(database.url)
    except StepIQError as error:
        return [fatal("database", error)]
    return [*server, _check_schema(what if path is not None else shown(database.url), revision)]


def _check_flaw(flaw: Unavailable, settings: Settings) -> Check:
    name = "database server"
    if isinstance(flaw, UnsafeStore) and settings.allow_unsafe_store:
        return warning(name, flaw.message, "")
    return fatal(name, flaw)


def _check_schema(what: str, revision: str | None) -> Check:
    known = migrate.known_revisions()
    if revision is None:
        return ok("database", f"{what}, empty: `stepiq serve` creates its tables")
    if revision == known[0]:
        return ok("database", f"{what}, schema {revision}")
    if revision in known:
        advice = "`stepiq serve` and `stepiq migrate` upgrade it. Back it up first."
        return note("database", f"{what}, schema {revision} of an older version", advice)
    return fatal("database", SchemaTooNew(revision))
