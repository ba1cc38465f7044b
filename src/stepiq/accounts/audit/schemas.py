"""Shapes of the audit log in the API."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from stepiq.accounts.audit.actions import ActorKind, AuditTargetType
from stepiq.accounts.audit.records import Fault
from stepiq.core.json import Json
from stepiq.web.bodies import Timestamp, View


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
