"""Routes of the audit log."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import exporting, service
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import SERVER_CHAIN, AuditFilter, ChainCheck, Entry, Fault, Head
from stepiq.accounts.audit.service import AuditHeadInvalid
from stepiq.accounts.authentication.expiry import ExpiryWatch, WatchedResponse
from stepiq.accounts.errors import AdminRequired, RoleMissing, SessionRequired
from stepiq.accounts.http import Administrator, DoorsDep, WorkspaceAdmin
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.database import Database
from stepiq.web.bodies import Instant, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read


class AuditKeyView(View):
    """The API key that the actor used."""

    id: UUID
    name: str | None


class AuditActorView(View):
    """Who or what acted, with its name at that time."""

    kind: ActorKind
    id: UUID | None
    name: str | None
    """Email address of a person. Name of a pipeline for a run."""
    key: AuditKeyView | None


class AuditTargetView(View):
    """What was acted on, with its name at that time."""

    type: AuditTargetType
    id: str | None
    name: str | None


class AuditEntryView(View):
    """An entry of the audit log."""

    id: UUID
    workspace_id: UUID | None
    """Null in the server's own log."""
    sequence: int | None
    """Place in the chain of the workspace. Null within about a second after the action."""
    at: Timestamp
    actor: AuditActorView
    client: str | None
    """Address of the client."""
    action: Annotated[str, Field(examples=["pipeline.updated"])]
    target: AuditTargetView
    before: dict[str, Json] | None
    """Changed fields before. Never contains secrets."""
    after: dict[str, Json] | None
    """Changed fields after."""
    hash: str | None
    count: int
    """How many entries this one shows. Lists combine the reads of a secret by the runs of a pipeline, within a page."""
    first_at: Timestamp
    """Time of the oldest of them."""


class AuditCheckView(View):
    """The result of checking the chain of the audit log."""

    ok: bool
    """Whether no fault was found."""
    entries: int
    """Entries checked by this request."""
    fault: Fault | None
    fault_at: int | None
    """The place of the fault."""
    head: str | None
    """The last checked entry, as `SEQUENCE:HASH`. Keep it elsewhere to detect removed entries later."""
    deleted: int
    """Place of the last entry that was deleted because of its age."""
    unsealed: int
    """Entries of the last second, which are not part of the chain yet."""
    complete: bool
    """If false, send the place of `head` as `after` to check the rest."""


router = new_router("Audit")

MOST_CHECKED = 20_000
"""Entries that one request checks."""


class AuditFormat(StrEnum):
    """Format of an export."""

    NDJSON = "ndjson"
    CSV = "csv"


_TYPES = {AuditFormat.NDJSON: "application/x-ndjson", AuditFormat.CSV: "text/csv"}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string"}} for media in _TYPES.values()}}
}


async def _filter(
    action: Annotated[list[Action] | None, Query(description="Repeatable.")] = None,
    actor: Annotated[UUID | None, Query(description="Id of a person, key or run.")] = None,
    target: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Id of what was acted on, or the slug of a pipeline of the workspace.",
        ),
    ] = None,
    since: Annotated[Instant | None, Query(alias="from")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Exclusive.")] = None,
) -> AuditFilter:
    return AuditFilter(tuple(action or ()), actor, target, since, until)


FilterQuery = Annotated[AuditFilter, Depends(_filter)]
FormatQuery = Annotated[AuditFormat, Query(alias="format")]
_LINES = AuditFormat.NDJSON


@dataclass(frozen=True, slots=True)
class _Checked:
    after: int
    head: Head | None


async def _checked(
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Continue after this place.")] = 0,
    expect_head: Annotated[
        str | None, Query(max_length=100, description="A `head` of an earlier check.")
    ] = None,
) -> _Checked:
    return _Checked(after, None if expect_head is None else service.head(expect_head))


CheckQuery = Annotated[_Checked, Depends(_checked)]


def _listed(page: PageQuery, rows: Sequence[Entry]) -> Page[AuditEntryView]:
    """A page, with one entry for all runs of a pipeline that have read the same secret."""
    folded: dict[object, list[Entry]] = {}
    for row in rows[: page.limit]:
        is_read = row.action == Action.SECRET_READ and row.actor_kind == ActorKind.RUN
        key = (row.workspace_id, row.target_id, row.actor_name) if is_read else row.id
        folded.setdefault(key, []).append(row)
    listed = [
        AuditEntryView.model_validate(
            {**exporting.shown(same[0]), "count": len(same), "first_at": same[-1].at}
        )
        for same in folded.values()
    ]
    return Page(data=listed, next_cursor=page.cursor([row.id for row in rows]))


@router.get("/audit", responses=problems(SessionRequired, RoleMissing))
async def list_audit(
    caller: WorkspaceAdmin, read: Read, page: PageQuery, wanted: FilterQuery
) -> Page[AuditEntryView]:
    """The audit log of the workspace, newest first."""
    rows = await service.page(
        read, caller.workspace_id, wanted, before=page.before, limit=page.fetch
    )
    return _listed(page, rows)


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={**_EXPORTED, **problems(SessionRequired, RoleMissing)},
)
async def export_audit(
    caller: WorkspaceAdmin,
    services: ServicesDep,
    doors: DoorsDep,
    wanted: FilterQuery,
    format_: FormatQuery = _LINES,
) -> WatchedResponse:
    """The audit log of the workspace in the order of its chain, as a file. Without the entries of the last second."""
    batches = service.export(services.database, caller.workspace_id, wanted)
    return _file(batches, format_, caller, doors.watch)


def _file(
    batches: AsyncIterator[list[Entry]], format_: AuditFormat, caller: Actor, watch: ExpiryWatch
) -> WatchedResponse:
    name = f"audit-{clock.now():%Y-%m-%d}.{format_}"
    return WatchedResponse(
        _exported(batches, is_csv=format_ is AuditFormat.CSV),
        caller,
        watch,
        media_type=_TYPES[format_],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _exported(batches: AsyncIterator[list[Entry]], *, is_csv: bool) -> AsyncGenerator[str]:
    if is_csv:
        yield exporting.csv_header()
    async for entries in batches:
        yield exporting.csv_lines(entries) if is_csv else exporting.lines(entries)


@router.get("/audit/verify", responses=problems(SessionRequired, RoleMissing, AuditHeadInvalid))
async def verify_audit(
    caller: WorkspaceAdmin, services: ServicesDep, checked: CheckQuery
) -> AuditCheckView:
    """Check the hash chain of the workspace's audit log, up to 20,000 entries at once."""
    return await _check(services.database, caller.workspace_id, checked)


@router.get("/admin/audit", responses=problems(SessionRequired, AdminRequired))
async def list_server_audit(
    _caller: Administrator,
    read: Read,
    page: PageQuery,
    wanted: FilterQuery,
    workspace_id: Annotated[UUID | None, Query(description="Only of this workspace.")] = None,
) -> Page[AuditEntryView]:
    """The audit logs of the server and of all workspaces, newest first. Only administrators can list them."""
    rows = await service.page(read, workspace_id, wanted, before=page.before, limit=page.fetch)
    return _listed(page, rows)


@router.get(
    "/admin/audit/export",
    response_class=StreamingResponse,
    responses={**_EXPORTED, **problems(SessionRequired, AdminRequired)},
)
async def export_server_audit(
    caller: Administrator,
    services: ServicesDep,
    doors: DoorsDep,
    wanted: FilterQuery,
    format_: FormatQuery = _LINES,
) -> WatchedResponse:
    """The audit logs of the server and of all workspaces as a file."""
    return _file(service.export_all(services.database, wanted), format_, caller, doors.watch)


@router.get(
    "/admin/audit/verify", responses=problems(SessionRequired, AdminRequired, AuditHeadInvalid)
)
async def verify_server_audit(
    _caller: Administrator, services: ServicesDep, checked: CheckQuery
) -> AuditCheckView:
    """Check the hash chain of the server's own audit log, up to 20,000 entries at once."""
    return await _check(services.database, SERVER_CHAIN, checked)


async def _check(database: Database, chain_id: UUID, checked: _Checked) -> AuditCheckView:
    found = await service.check(
        database, chain_id, after=checked.after, limit=MOST_CHECKED, expected=checked.head
    )
    return _check_view(found)


def _check_view(found: ChainCheck) -> AuditCheckView:
    return AuditCheckView(
        ok=found.fault is None,
        entries=found.entries,
        fault=found.fault,
        fault_at=found.fault_at,
        head=None if found.head is None else str(found.head),
        deleted=found.deleted,
        unsealed=found.unsealed,
        complete=found.is_complete,
    )
