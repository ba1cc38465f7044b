"""`stepiq keys`: changes the master key that encrypts the stored secrets."""

import asyncio

from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import OPERATOR, AuditTarget
from stepiq.accounts.secrets import rotation
from stepiq.accounts.secrets.rotation import Census
from stepiq.cli import database
from stepiq.cli.output.console import print_text
from stepiq.core.keys import files as keys
from stepiq.core.keys.encryption import Keyring
from stepiq.core.settings.model import Settings
from stepiq.store.database import Database


def rotate(*, dry_run: bool, generate: bool) -> bool:
    """Encrypt all secrets with the current master key.

    Returns whether all secrets use it, or with `dry_run`, whether all can be decrypted.
    """
    configured = database.load_settings()
    if generate and not dry_run:
        keys.replace_master_key(configured)
        print_text(
            "Created a new master.key. The old key is now in previous-master.keys. Back up both, away from the database."
        )
    return asyncio.run(_rotate(configured, dry_run=dry_run))


async def _rotate(configured: Settings, *, dry_run: bool) -> bool:
    keyring, store = Keyring(configured), Database(configured)
    try:
        found = await rotation.census(store, keyring)
        _show(found, keyring)
        if dry_run:
            print_text("Nothing was changed.")
            return not found.lost
        unreadable: list[str] = []
        if found.rotatable:
            unreadable = await _move(store, keyring, found.rotatable)
            found = await rotation.census(store, keyring)
        return _conclude(found, keyring, unreadable)
    finally:
        await store.close()


async def _move(store: Database, keyring: Keyring, total: int) -> list[str]:
    done = 0

    def show(moved: int) -> None:
        nonlocal done
        done += moved
        print_text(f"{done:,} of {total:,} re-encrypted")

    unreadable = await rotation.rotate(store, keyring, show)
    async with store.transaction() as session:
        await audit.record(
            session,
            OPERATOR,
            Action.MASTER_KEY_ROTATED,
            AuditTarget(AuditTargetType.SERVER),
            after={"secrets": done, "unreadable": len(unreadable)},
        )
    return unreadable


def _show(found: Census, keyring: Keyring) -> None:
    if keyring.current is None:
        print_text(f"{_counted(found.total)}. This server has no master key.")
    else:
        print_text(
            f"{_counted(found.total)}: {found.current:,} with the current master key ({keyring.current}), "
            f"{found.rotatable:,} with earlier keys of this server."
        )
    for key_id, number in sorted(found.lost.items()):
        print_text(
            f"{_counted(number)} with a master key that this server does not have ({key_id}). {keyring.advice}"
            " They were not changed.",
            color="red",
        )


def _conclude(found: Census, keyring: Keyring, unreadable: list[str]) -> bool:
    if unreadable:
        names = ", ".join(f"`{name}`" for name in sorted(set(unreadable)))
        print_text(f"Damaged, and not changed: {names}. Store these secrets again.", color="red")
    if not found.total:
        print_text("There is nothing to re-encrypt.")
        return True
    if found.current == found.total:
        print_text(
            f"All secrets use the current master key ({keyring.current}). When every process of the server uses it, you can remove"
            " earlier keys. Keep a copy of them as long as you keep older backups of the database."
        )
        return True
    if found.rotatable and not unreadable:
        print_text("Other processes stored secrets with an earlier key. Run this command again.")
    return False


def _counted(number: int) -> str:
    return f"{number:,} secret" + ("" if number == 1 else "s")
