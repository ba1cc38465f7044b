"""Two servers with one database accept each code once."""

import asyncio
import base64

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from tests.support.make import Make
from tests.support.make_accounts import PASSWORD
from tests.support.make_secrets import keyring
from tests.support.ports import free_port
from tests.support.process import running_server

ACCOUNTS = 10


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_logins_at_two_servers_at_the_same_time_one_succeeds(settings: Settings, tmp_path):
    shared = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "STEPIQ_JWT_SECRET": "0123456789abcdef" * 4,
        "STEPIQ_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
    }
    database = Database(settings)
    make = Make(database)
    kinds = ["app", "recovery"] * ACCOUNTS
    phones = [await make.two_factor(await make.user(), keys=keyring(b"k")) for _ in kinds]
    await database.close()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()

    async def log_in(client, kind, phone):
        # A code of the next step: that of this step turned two-factor sign-in on.
        code = phone.code(1) if kind == "app" else phone.recovery_codes[0]
        body = {"email": phone.account.email, "password": PASSWORD, "code": code}
        return (await client.post("/api/auth/login", json=body)).status_code

    async with (
        running_server(folders[0], free_port(), shared) as one,
        running_server(folders[1], free_port(), shared) as two,
        httpx2.AsyncClient(base_url=one.url, timeout=30) as first,
        httpx2.AsyncClient(base_url=two.url, timeout=30) as second,
    ):
        found = [
            sorted(
                await asyncio.gather(*(log_in(each, kind, phone) for each in (first, second) * 2))
            )
            for kind, phone in zip(kinds, phones, strict=True)
        ]

    assert found == [[200, 401, 401, 401]] * len(kinds)
