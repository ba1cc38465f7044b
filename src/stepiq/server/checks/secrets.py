"""Stored secrets: whether the master keys of this server decrypt them."""

from sqlalchemy.exc import DBAPIError

from stepiq.accounts.secrets import rotation
from stepiq.core import keys
from stepiq.core.encryption import Keyring
from stepiq.core.errors import StepIQError
from stepiq.core.settings import Settings
from stepiq.server.checks.check import Check, failed, note, ok
from stepiq.store.database import Database

_NAME = "secrets"


async def check_secrets(settings: Settings) -> list[Check]:
    """Whether the stored secrets can be read; nothing if the database has no tables yet."""
    database = Database(settings)
    try:
        if database.path is not None and not database.path.exists():
            return []
        return [await _check(settings, database)]
    except (StepIQError, DBAPIError):
        # The table does not exist yet, or the checks of the database and of the key files report the error.
        return []
    finally:
        await database.close()


async def _check(settings: Settings, database: Database) -> Check:
    counts = await rotation.counts(database)
    total = sum(counts.values())
    if not total:
        return ok(_NAME, "none stored")
    if not keys.has_master_key(settings):
        detail = f"{total:,} stored, but this server does not have their master key."
        advice = "Restore master.key from its copy, or set STEPIQ_MASTER_KEY. A new key does not decrypt them."
        return failed(_NAME, detail, advice)
    found = await rotation.census(database, Keyring(settings))
    if found.lost:
        lost = sum(found.lost.values())
        detail = (
            f"{lost:,} of {total:,} cannot be read: this server does not have their master key"
            f" ({', '.join(sorted(found.lost))})."
        )
        advice = "Add that key to STEPIQ_PREVIOUS_MASTER_KEYS; the secrets are still stored. See docs/secrets.md."
        return failed(_NAME, detail, advice)
    if found.rotatable:
        detail = f"{found.rotatable:,} of {total:,} use an earlier master key"
        return note(_NAME, detail, "`stepiq keys rotate` encrypts them with the current key.")
    return ok(_NAME, f"{total:,} stored, all with the current master key")
