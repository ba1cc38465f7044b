"""Stored secrets: whether the master keys that are here open them."""

import asyncio

from stepiq.accounts.secrets import rotation
from stepiq.cli.checks.check import Check, failed, note, ok
from stepiq.core import keys
from stepiq.core.encryption import Keyring
from stepiq.core.errors import StepIQError
from stepiq.core.settings import Settings
from stepiq.store.database import Database
from stepiq.store.migrate import current_revision, known_revisions

_NAME = "secrets"


async def check_secrets(settings: Settings) -> list[Check]:
    """Under which keys the stored secrets are; nothing where none can be stored yet."""
    database = Database(settings)
    try:
        if not await asyncio.to_thread(_is_current, database):
            return []
        return [await _check(settings, database)]
    except StepIQError as error:
        # What is wrong with the database or a key file has a line of its own; this says what it means.
        return [failed(_NAME, error.message, "Stored secrets cannot be read until then.")]
    finally:
        await database.close()


def _is_current(database: Database) -> bool:
    if database.path is not None and not database.path.exists():
        return False
    try:
        return current_revision(database.url) == known_revisions()[0]
    except Exception:
        return False


async def _check(settings: Settings, database: Database) -> Check:
    counts = await rotation.counts(database)
    total = sum(counts.values())
    if not total:
        return ok(_NAME, "none stored")
    if not keys.has_master_key(settings):
        advice = "Restore master.key from its copy, or set STEPIQ_MASTER_KEY. A new key does not open them."
        return failed(_NAME, f"{total:,} stored, but their master key is not here", advice)
    found = await rotation.census(database, Keyring(settings))
    if found.lost:
        lost_keys = ", ".join(sorted(found.lost))
        advice = "Add the key to STEPIQ_PREVIOUS_MASTER_KEYS; the secrets are still stored. See docs/secrets.md."
        lost = sum(found.lost.values())
        return failed(
            _NAME,
            f"{lost:,} of {total:,} are under master keys that are not here: {lost_keys}",
            advice,
        )
    if found.rotatable:
        detail = f"{found.rotatable:,} of {total:,} are under an earlier master key"
        return note(_NAME, detail, "`stepiq keys rotate` moves them to the current one.")
    return ok(_NAME, f"{total:,} stored, all under the current master key")
