"""The data folder, its keys, and the database."""

import asyncio
import os
import shutil
from pathlib import Path

from stepiq.cli.checks.check import Check, failed, note, ok
from stepiq.core import keys
from stepiq.core.errors import StepIQError
from stepiq.core.settings import Settings
from stepiq.store import safety
from stepiq.store.database import Database, sqlite_version
from stepiq.store.migrate import current_revision, known_revisions
from stepiq.store.refusals import shown

_LOW_DISK_BYTES = 500 * 1024 * 1024
_OTHERS = 0o077


async def check_store(settings: Settings) -> list[Check]:
    """The data folder, the keys and the database."""
    folder = _check_folder(settings)
    return [folder, *_check_keys(settings), *await asyncio.to_thread(_check_database, settings)]


def _check_folder(settings: Settings) -> Check:
    name, folder = "data folder", settings.data_dir.absolute()
    if not folder.exists():
        parent = next(each for each in folder.parents if each.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            advice = "Set STEPIQ_DATA_DIR to a folder you may write to."
            return failed(name, f"{folder} cannot be made: {parent} is not yours to write.", advice)
        return ok(name, f"{folder} will be made on first start")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return failed(
            name, f"{folder} is not yours to write.", "Set STEPIQ_DATA_DIR to one that is."
        )
    free = shutil.disk_usage(folder).free
    if free < _LOW_DISK_BYTES:
        advice = "Make room: a full disk stops every run."
        return note(name, f"{folder} has {free // 1024**2} MiB left", advice)
    if folder.stat().st_mode & _OTHERS:
        advice = f"Others can look into it. Run: chmod 700 {folder}"
        return note(name, f"{folder}, open to other users", advice)
    return ok(name, f"{folder}, {free // 1024**3} GiB free")


def _check_keys(settings: Settings) -> list[Check]:
    return [
        _check_key(
            "jwt key", settings, settings.jwt_secret is not None, "STEPIQ_JWT_SECRET", "jwt.key"
        ),
        _check_key(
            "master key",
            settings,
            settings.master_key is not None,
            "STEPIQ_MASTER_KEY",
            "master.key",
        ),
    ]


def _check_key(name: str, settings: Settings, is_given: bool, variable: str, file: str) -> Check:
    path: Path = settings.data_dir.absolute() / file
    if not is_given and not path.exists():
        return ok(name, f"will be made on first start, in {path}")
    try:
        read = keys.jwt_secret if file == "jwt.key" else keys.master_key
        read(settings)
    except StepIQError as error:
        return failed(name, error.message, "A server does not start without it.")
    return ok(name, f"from {variable}" if is_given else str(path))


def _check_database(settings: Settings) -> list[Check]:
    path = settings.sqlite_path
    what = f"SQLite {sqlite_version()}, {path}"
    if path is not None and not path.exists():
        return [ok("database", f"{what} will be made on first start")]
    try:
        database = Database(settings)
        flaws = safety.flaws(database.url)
        server = [_check_flaw(flaw, settings) for flaw in flaws]
        if not all(flaw.is_unsafe for flaw in flaws):
            return server
        revision = current_revision(database.url)
        if path is None:
            what = shown(database.url)
    except StepIQError as error:
        return [failed("database", error.message, "")]
    return [*server, _check_schema(what, revision)]


def _check_flaw(flaw: safety.Flaw, settings: Settings) -> Check:
    is_allowed = flaw.is_unsafe and settings.allow_unsafe_store
    return (note if is_allowed else failed)("database server", flaw.problem, flaw.advice)


def _check_schema(what: str, revision: str | None) -> Check:
    known = known_revisions()
    if revision is None:
        return ok("database", f"{what}, empty: `stepiq serve` sets it up")
    if revision == known[0]:
        return ok("database", f"{what}, schema {revision}")
    if revision in known:
        advice = "`stepiq serve` and `stepiq migrate` bring it up to date. Back it up first."
        return note("database", f"{what}, schema {revision} of an older version", advice)
    advice = "Install the newer version again, or restore a backup made before the upgrade."
    return failed("database", f"{what}, schema {revision} of a newer version", advice)
