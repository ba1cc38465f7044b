"""The file of a backup: a ZIP archive with the database, a manifest, and optionally the server's keys.

Only the members listed here are read. All are checked against the manifest, the last member, before any is used.
"""

import hashlib
import lzma
import os
import secrets
import zipfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError

from stepiq import __version__
from stepiq.cli.output.console import UsageError
from stepiq.core.errors import Conflict, Invalid, Unavailable

FORMAT = 1
"""Incremented when older versions cannot restore newer backups."""
MANIFEST = "manifest.json"
DATABASE = "stepiq.db"
KEYS = ("keys/master.key", "keys/previous-master.keys", "keys/jwt.key")

_MAGIC = b"PGDMP"
"""The start of a file of `pg_dump --format=custom`."""
_ZIP_MAGIC = b"PK"
_MANIFEST_BYTES = 64 * 1024
_KEY_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024
_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    UnicodeDecodeError,
    # A password is needed, or a feature of ZIP that Python does not support.
    RuntimeError,
)


class BackupUnusable(Invalid):
    """The file is not a backup, is damaged, or is for another version or kind of database."""

    code = "backup_unusable"


class BackupFailed(Unavailable):
    """The backup could not be made or restored. Nothing was changed."""

    code = "backup_failed"


class RestoreRefused(Conflict):
    """Restoring would overwrite data or affect a running process."""

    code = "restore_refused"


class Content(BaseModel):
    """Description of a member in the manifest."""

    model_config = ConfigDict(extra="forbid")

    sha256: str
    size_bytes: int


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such time in UTC") from None


class Manifest(BaseModel):
    """Description of a backup."""

    model_config = ConfigDict(extra="ignore")

    format: int = FORMAT
    stepiq: str = __version__
    schema_revision: str
    store: Literal["sqlite"] = "sqlite"
    created_at: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    master_key: str | None
    """Fingerprint of the current master key at the time of the backup. The key itself is optional, under `KEYS`."""
    secrets: dict[str, int]
    """Number of stored secrets that each master key decrypts, by fingerprint."""
    contents: dict[str, Content]


class Writer:
    """Writes members into a new archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.contents: dict[str, Content] = {}

    def add(self, name: str, source: BinaryIO) -> None:
        """Add all data of `source`."""
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        digest, size = hashlib.sha256(), 0
        with self._archive.open(info, "w", force_zip64=True) as member:
            while chunk := source.read(_CHUNK_BYTES):
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.contents[name] = Content(sha256=digest.hexdigest(), size_bytes=size)

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest."""
        self._archive.writestr(MANIFEST, manifest.model_dump_json(indent=2))


@contextmanager
def writing(path: Path) -> Generator[Writer]:
    """Create an archive that only its owner can read. It receives its final name when it is complete.

    Raises:
        BackupFailed: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                with zipfile.ZipFile(file, "w", compresslevel=6) as archive:
                    yield Writer(archive)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
            sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise BackupFailed(
            f"{path} cannot be written: {error.strerror or error}. The incomplete file was deleted."
        ) from error


class Reader:
    """An archive whose members match the manifest."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, path: Path) -> None:
        self._archive = archive
        self.manifest = manifest
        self.path = path

    def copy_database(self, target: BinaryIO) -> None:
        """Write the database to a file."""
        with self._archive.open(DATABASE) as member:
            while chunk := member.read(_CHUNK_BYTES):
                target.write(chunk)

    def key(self, name: str) -> bytes | None:
        """One of the keys, or None if the backup does not contain it."""
        return self._archive.read(name).strip() if name in self.manifest.contents else None


@contextmanager
def reading(path: Path) -> Generator[Reader]:
    """Open an archive, and read it once to check that it is complete.

    Raises:
        UsageError: the file does not exist.
        BackupUnusable: it is incomplete, not a backup, or from a newer version.
    """
    with ExitStack() as resources:
        try:
            archive = resources.enter_context(zipfile.ZipFile(path))
            manifest = _manifest(archive, path)
            for name, content in manifest.contents.items():
                _check(archive, name, content, path)
        except _UNREADABLE as error:
            raise (_of_another_kind(path) or damaged(path)) from error
        except FileNotFoundError:
            raise UsageError(
                f"File {path} does not exist. Give a file that `stepiq backup` created."
            ) from None
        except OSError as error:
            raise BackupUnusable(f"{path} cannot be read: {error.strerror or error}.") from error
        yield Reader(archive, manifest, path)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    names = archive.namelist()
    if MANIFEST not in names:
        raise BackupUnusable(f"{path} is not a backup of stepIQ: it has no {MANIFEST}.")
    if archive.getinfo(MANIFEST).file_size > _MANIFEST_BYTES:
        raise damaged(path)
    text = archive.read(MANIFEST)
    try:
        _refuse_newer(text, path)
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        raise damaged(path) from None
    listed = {MANIFEST, *manifest.contents}
    known = {MANIFEST, DATABASE, *KEYS}
    foreign = sorted({*names, *listed} - known)
    if foreign:
        raise BackupUnusable(f"{path} is not a backup of stepIQ: it contains {foreign[0]!r}.")
    if len(names) != len(listed) or set(names) != listed or DATABASE not in listed:
        raise damaged(path)
    return manifest


class _Header(BaseModel):
    format: int
    stepiq: str


def _refuse_newer(text: bytes, path: Path) -> None:
    # The rest of a newer manifest can differ from what this version expects.
    header = _Header.model_validate_json(text)
    if header.format > FORMAT:
        raise BackupUnusable(
            f"{path} was created by stepIQ {header.stepiq}, in a format that this version ({__version__}) cannot read. "
            f"Install stepIQ {header.stepiq} or newer."
        )


def _check(archive: zipfile.ZipFile, name: str, content: Content, path: Path) -> None:
    if archive.getinfo(name).file_size != content.size_bytes:
        raise damaged(path)
    if name in KEYS and content.size_bytes > _KEY_BYTES:
        raise damaged(path)
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while chunk := member.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != content.sha256:
        raise damaged(path)


def _of_another_kind(path: Path) -> BackupUnusable | None:
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if start == _MAGIC:
        return BackupUnusable(
            f"{path} is a dump of PostgreSQL, which `pg_restore` restores. See `stepiq docs backups#postgresql`."
        )
    if start and not start.startswith(_ZIP_MAGIC):
        return BackupUnusable(
            f"{path} is not a backup of stepIQ. Give a file that `stepiq backup` created."
        )
    return None


def damaged(path: Path, problem: str | None = None) -> BackupUnusable:
    """The error for an archive that cannot be used. `problem` says what is wrong with it."""
    found = f"damaged: {problem}" if problem else "damaged or incomplete"
    return BackupUnusable(f"{path} is {found}. Nothing was changed. Use another backup.")
