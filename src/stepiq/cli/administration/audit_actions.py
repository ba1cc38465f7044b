"""The implementation of `stepiq audit`."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from stepiq.accounts.audit import exporting, service
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.audit.records import (
    SERVER_CHAIN,
    AuditFilter,
    ChainCheck,
    Entry,
    Fault,
    Head,
)
from stepiq.cli import database
from stepiq.cli.output.console import UsageError, print_output, print_text, say, stdout_is_terminal
from stepiq.core import clock
from stepiq.core.control_characters import escape_json
from stepiq.store.database import Database

_FAULTS = {
    Fault.CHANGED: "entry {at} was changed, replaced or moved",
    Fault.MISSING: "entry {at} is missing",
    Fault.REPEATED: "two entries have position {at}",
    Fault.TRUNCATED: "the last entries are missing, from {at}",
    Fault.UNEXPECTED_HEAD: "entry {at} is missing, or is not the expected one",
    Fault.HEAD_DELETED: "entry {at} was deleted because of its age, so the expected head cannot be checked",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The logs that a command reads."""

    workspace_id: UUID | None
    is_server: bool

    @property
    def chain_id(self) -> UUID | None:
        """The chosen chain; None for all.

        Raises:
            UsageError: both options are set.
        """
        if self.is_server and self.workspace_id is not None:
            raise UsageError("Use either --workspace or --server.")
        return SERVER_CHAIN if self.is_server else self.workspace_id


def show(
    workspace_id: UUID | None,
    actions: Sequence[Action],
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> None:
    """Print the newest entries."""

    async def read(store: Database) -> list[Entry]:
        async with store.reading() as session:
            return await service.page(
                session, workspace_id, _filter(actions, since, until), before=None, limit=limit
            )

    for entry in _run(read):
        print_text(_line(entry))


def _line(entry: Entry) -> str:
    who = entry.actor_name or entry.actor_kind
    key = f" (key {entry.key_name})" if entry.key_name else ""
    place = f" from {entry.client}" if entry.client else ""
    what = entry.target_name or entry.target_id or ""
    return (
        f"{clock.iso(entry.at)}  {entry.action}  {entry.target_type} {what}  by {who}{key}{place}"
    )


def export(
    chosen: Chosen,
    actions: Sequence[Action],
    since: datetime | None,
    until: datetime | None,
    *,
    is_csv: bool,
) -> None:
    """Print all sealed entries."""
    chain_id, wanted = chosen.chain_id, _filter(actions, since, until)

    async def write(store: Database) -> None:
        if is_csv:
            print_output(exporting.csv_header(), newline=False)
        async for entries in _exported(store, chain_id, wanted):
            text = exporting.csv_lines(entries) if is_csv else exporting.lines(entries)
            if stdout_is_terminal() and not is_csv:
                text = escape_json(text)
            print_output(text, newline=False)

    _run(write)


def _exported(
    store: Database, chain_id: UUID | None, wanted: AuditFilter
) -> AsyncGenerator[list[Entry]]:
    if chain_id is None:
        return service.export_all(store, wanted)
    return service.export(store, None if chain_id == SERVER_CHAIN else chain_id, wanted)


def verify(chosen: Chosen, expect_head: str | None) -> bool:
    """Check the logs, and print their heads. Returns whether they have no fault."""
    chain_id = chosen.chain_id
    if expect_head is not None and chain_id is None:
        raise UsageError("--expect-head needs --workspace or --server.")
    expected = None if expect_head is None else service.head(expect_head)

    async def check(store: Database) -> bool:
        if chain_id is not None:
            return _show(await service.check(store, chain_id, expected=expected), expected)
        shown = [
            _show(await service.check(store, each), None) async for each in service.chain_ids(store)
        ]
        if not shown:
            say("No entry is sealed yet. A running server seals new entries within about a second.")
        return all(shown)

    return _run(check)


def _show(found: ChainCheck, expected: Head | None) -> bool:
    log = "server" if found.chain_id == SERVER_CHAIN else f"workspace {found.chain_id}"
    waiting = f" {found.unsealed} not sealed yet." if found.unsealed else ""
    if found.fault is None:
        head = found.head or expected
        entries = "1 entry" if found.entries == 1 else f"{found.entries:,} entries"
        print_text(f"{log}: {entries}, no errors.{waiting} Head: {head or 'none'}")
        return True
    print_text(f"{log}: {_FAULTS[found.fault].format(at=found.fault_at)}.", color="red")
    return False


def _filter(
    actions: Sequence[Action], since: datetime | None, until: datetime | None
) -> AuditFilter:
    return AuditFilter(tuple(actions), since=since, until=until)


def _run(work: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
    configured = database.load_settings()

    async def run() -> Any:
        store = Database(configured)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())
