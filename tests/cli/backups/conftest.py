"""A server that has something to lose, and another machine to restore it on."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.accounts.service import Account
from stepiq.accounts.two_factor import service as two_factor
from stepiq.core.keys.encryption import Keyring
from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs
from tests.cli.conftest import within
from tests.support.make import Make
from tests.support.make_two_factor import Phone

FILE = "backup.zip"
VALUE = "a secret of an account"


@dataclass(frozen=True)
class Kept:
    """What a server keeps: an account with a secret and two-factor sign-in, and a run that has not ended."""

    account: Account
    phone: Phone
    pipeline_id: UUID
    run_id: UUID


@pytest.fixture
def kept(folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setenv("STEPIQ_DATABASE_URL", database_url)
    # The suite's PostgreSQL has nothing to lose.
    monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", "true")

    async def fill(database: Database, configured: Settings) -> Kept:
        make = Make(database)
        account = await make.user()
        await make.secret(account, "TOKEN", VALUE, keys=Keyring(configured))
        phone = await make.two_factor(account, keys=Keyring(configured))
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.RUNNING)
        return Kept(account, phone, pipeline_id, run_id)

    return within(fill)


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go on another machine: no database, a data folder with nothing in it."""

    def go() -> None:
        elsewhere = tmp_path / "elsewhere"
        monkeypatch.setenv("STEPIQ_DATABASE_URL", f"sqlite:///{elsewhere / 'stepiq.db'}")
        monkeypatch.setenv("STEPIQ_DATA_DIR", str(elsewhere))

    return go


def secret_of(kept: Kept) -> str:
    """The account's secret, read with the keys that are here now."""

    async def read(database: Database, configured: Settings) -> str:
        async with database.reading() as session:
            found = await StoredSecrets(Keyring(configured)).read(
                session,
                workspace_id=kept.account.workspace_id,
                pipeline_id=kept.pipeline_id,
                names=["TOKEN"],
            )
        return found["TOKEN"].value

    return within(read)


def is_code_accepted(kept: Kept) -> bool:
    """Whether the account's app still works, with the keys that are here now. The code is then used."""

    async def check(database: Database, configured: Settings) -> bool:
        async with database.transaction() as session:
            used = await two_factor.check_at_login(
                session, Keyring(configured), kept.account.id, kept.phone.next_code()
            )
        return used is not None

    return within(check)


def run_ids() -> list[UUID]:
    async def read(database: Database, _: Settings) -> list[UUID]:
        async with database.reading() as session:
            return list((await session.execute(sa.select(runs.c.id))).scalars())

    return within(read)


def add_run(kept: Kept) -> UUID:
    async def add(database: Database, _: Settings) -> UUID:
        return await Make(database).run(kept.account, kept.pipeline_id)

    return within(add)


def rewrite(change: Callable[[dict[str, Any]], None], **more: bytes) -> None:
    """The same archive with another manifest, and further members."""
    file = Path(FILE)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**members, **more}.items():
            archive.writestr(name, content)


def put(name: str, content: bytes) -> None:
    """Replace a member of the archive, and what the manifest says about it."""

    def describe(manifest: dict[str, Any]) -> None:
        digest = hashlib.sha256(content).hexdigest()
        manifest["contents"][name] = {"sha256": digest, "size_bytes": len(content)}

    rewrite(describe, **{name: content})
