"""`stepiq keys`: changing the master key that wraps every stored secret."""

import asyncio

import typer

from stepiq.accounts.secrets import rotation
from stepiq.accounts.secrets.rotation import Census
from stepiq.cli import database
from stepiq.core import keys, settings
from stepiq.core.encryption import Keyring
from stepiq.core.settings import Settings
from stepiq.store import migrate
from stepiq.store.database import Database


def rotate(*, dry_run: bool, generate: bool) -> bool:
    """Move all secrets to the current master key; whether none is left under another.

    Raises:
        StoreMissing: there is no database where the settings say.
        KeyUnusable: a key is damaged, readable by others, or cannot be replaced from here.
        StoreUnavailable: the database does not answer.
    """
    configured = settings.load()
    database.require(configured)
    if generate and not dry_run:
        keys.replace_master_key(configured)
        typer.echo(
            "master.key is new; the old key is kept in previous-master.keys. Back both up, apart from the database."
        )
    return asyncio.run(_rotate(configured, dry_run=dry_run))


async def _rotate(configured: Settings, *, dry_run: bool) -> bool:
    keyring, store = Keyring(configured), Database(configured)
    try:
        await asyncio.to_thread(migrate.upgrade, store.url)
        found = await rotation.census(store, keyring)
        _show(found, keyring)
        if dry_run:
            typer.echo("Nothing was changed.")
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

    def tell(moved: int) -> None:
        nonlocal done
        done += moved
        typer.echo(f"{done:,} of {total:,} moved")

    return await rotation.rotate(store, keyring, tell)


def _show(found: Census, keyring: Keyring) -> None:
    typer.echo(
        f"{_counted(found.total)}: {found.current:,} under the current master key ({keyring.current}), "
        f"{found.rotatable:,} under earlier ones that are here."
    )
    for key_id, number in sorted(found.lost.items()):
        typer.secho(
            f"{_counted(number)} under a master key that is not here ({key_id}): they cannot be read until it is among "
            "STEPIQ_PREVIOUS_MASTER_KEYS. They stay as they are.",
            fg="red",
        )


def _conclude(found: Census, keyring: Keyring, unreadable: list[str]) -> bool:
    if unreadable:
        names = ", ".join(f"`{name}`" for name in sorted(set(unreadable)))
        typer.secho(f"Damaged, and left as they are: {names}. Store them anew.", fg="red")
    if found.current == found.total:
        typer.echo(
            f"All secrets are under the current master key ({keyring.current}). Once every process of the server has it, "
            "earlier keys may be removed; keep a copy as long as you keep backups of the database from before."
        )
        return True
    if found.rotatable and not unreadable:
        typer.echo("Some were stored under an earlier key meanwhile. Run this again.")
    return False


def _counted(number: int) -> str:
    return f"{number:,} secret" + ("" if number == 1 else "s")
