"""Stored secrets."""

import base64
from functools import cache
from uuid import UUID

from stepiq.accounts.secrets import service
from stepiq.accounts.service import Account
from stepiq.core.keys.encryption import Keyring
from stepiq.core.settings import model as settings
from stepiq.store.database import Database
from tests.support.make_accounts import actor


@cache
def keyring(current: bytes = b"k", *previous: bytes) -> Keyring:
    """Master keys of one repeated byte each, such as `b"k"`."""
    return Keyring(
        settings.load(
            master_key=_written(current),
            previous_master_keys=",".join(map(_written, previous)) or None,
        )
    )


def _written(key: bytes) -> str:
    return base64.b64encode(key * 32).decode()


class MakeSecrets:
    database: Database

    async def secret(
        self,
        account: Account,
        name: str = "TOKEN",
        value: str = "correct horse battery staple",
        *,
        pipeline_id: UUID | None = None,
        hosts: list[str] | None = None,
        keys: Keyring | None = None,
    ) -> UUID:
        """Store a secret. Only a server with the same `keys` can read it."""
        async with self.database.transaction() as session:
            stored = await service.store(
                session,
                actor(account),
                keys or keyring(),
                pipeline_id=pipeline_id,
                name=name,
                value=value,
                hosts=hosts,
            )
        return stored.row.id
