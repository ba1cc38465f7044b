"""The master key, and whether it decrypts the stored secrets."""

from sqlalchemy.exc import DBAPIError

from stepiq.accounts.secrets import rotation
from stepiq.accounts.secrets.rotation import Census
from stepiq.core.errors import StepIQError
from stepiq.core.keys.encryption import Keyring
from stepiq.core.settings.model import Settings
from stepiq.server.checks.check import Check, failed, fatal, note, ok
from stepiq.store.database import Database, StoreUnavailable

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
