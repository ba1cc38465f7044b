"""Routes of invitations to a workspace."""

from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor
from stepiq.accounts.credentials.origin import count_client
from stepiq.accounts.errors import (
    CredentialInvalid,
    EmailUnverified,
    InvitationInvalid,
    RoleMissing,
    SessionRequired,
    TooManyAttempts,
)
from stepiq.accounts.http import DoorsDep, Person, WorkspaceAdmin
from stepiq.accounts.queries import invitations as queries
from stepiq.accounts.queries import members
from stepiq.accounts.workspaces import invitations, schemas
from stepiq.accounts.workspaces.errors import AlreadyMember, InvitationNotFound
from stepiq.core import clock
from stepiq.core.mail import MailMessage, MailUnsent
from stepiq.core.observability import logging
from stepiq.execution.limits.quotas import PlanEmailsExhausted
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import OwnTransaction, OwnTx, Read, Tx

router = new_router("Invitations")

public = new_router("Invitations")
"""The route that needs no credential: the token of an invitation is one."""

log = logging.get(__name__)

_UNKNOWN = "It is not known whether the email was sent. Send the link yourself."

_ADMIN_ONLY = (SessionRequired, RoleMissing)


@router.get("/workspace/invitations", responses=problems(*_ADMIN_ONLY))
async def list_invitations(
    caller: WorkspaceAdmin, read: Read, page: PageQuery
) -> Page[schemas.InvitationView]:
    """The open invitations to the workspace, newest first. Requires the role `admin`."""
    now = clock.now()
    rows = await queries.page(read, caller.workspace_id, now, before=page.before, limit=page.fetch)
    return page.page(rows, schemas.InvitationView.model_validate, lambda row: row.id)


@router.post(
    "/workspace/invitations",
    status_code=201,
    response_model=schemas.CreatedInvitation,
    responses=problems(
        *_ADMIN_ONLY, AlreadyMember, CredentialInvalid, EmailUnverified, PlanEmailsExhausted
    ),
)
async def create_invitation(
    caller: WorkspaceAdmin,
    services: ServicesDep,
    own_tx: OwnTx,
    body: schemas.WorkspaceInvitation,
) -> Response:
    """Invite a person to the workspace, by an email and a link. Requires the role `admin`; only owners can invite owners.

    An earlier invitation of the address becomes invalid. The link is shown only in this response.
    """
    async with own_tx.held():
        return await _invite(caller, services, own_tx, body)


async def _invite(
    caller: Actor, services: Services, own_tx: OwnTransaction, body: schemas.WorkspaceInvitation
) -> Response:
    settings = services.settings
    async with own_tx() as tx:
        inviter = await accounts.me(tx, caller)
        row, token = await invitations.create(
            tx,
            caller,
            settings,
            email=body.email,
            role=body.role,
            plan=services.plans.get(caller.plan),
        )
        unsent_reason: str | None = "This server has no mail server."
        if services.mailer.has_server:
            unsent_reason = await invitations.count_mail(tx, settings, body.email)
        url = invitations.url(settings, token)
        # What a repetition of the request gets if this process ends before it has sent the email.
        response = await own_tx.answer(_created(row, url, unsent_reason or _UNKNOWN), 201)
    if unsent_reason is not None:
        return response
    message = invitations.message(settings, body.email, inviter.email, token)
    created = _created(row, url, await _send(services, message))
    return await own_tx.replace(JSONResponse(created.model_dump(mode="json"), 201))


def _created(row: Any, url: str, unsent_reason: str | None) -> schemas.CreatedInvitation:
    shown = schemas.InvitationView.model_validate(row).model_dump()
    is_sent = unsent_reason is None
    return schemas.CreatedInvitation(**shown, url=url, emailed=is_sent, unsent_reason=unsent_reason)


async def _send(services: Services, message: MailMessage) -> str | None:
    """Send an invitation; returns the reason if it could not be sent."""
    try:
        await services.mailer.send(message)
    except MailUnsent as error:
        log.warning("invitation_unsent", reason=error.confidential_reason)
        return error.reason_for_users(has_link=True)
    return None


@router.delete(
    "/workspace/invitations/{invitation_id}",
    responses=problems(*_ADMIN_ONLY, InvitationNotFound),
)
async def withdraw_invitation(
    caller: WorkspaceAdmin, tx: Tx, invitation_id: UUID
) -> schemas.DeletedInvitation:
    """Withdraw an invitation. Its link no longer works. Requires the role `admin`."""
    await invitations.withdraw(tx, caller, invitation_id)
    return schemas.DeletedInvitation(id=invitation_id)


@router.post("/workspaces/join", responses=problems(SessionRequired, InvitationInvalid))
async def accept_invitation(
    caller: Person, tx: Tx, doors: DoorsDep, body: schemas.InvitationToken
) -> schemas.WorkspaceView:
    """Join the workspace of an invitation to your address. New people register with it instead."""
    invitation = await invitations.join(tx, caller, body.invitation)
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    rows = await members.workspaces_of(tx, caller.user_id)
    joined = next((row for row in rows if row.id == invitation.workspace_id), None)
    if joined is None:  # It is being erased.
        raise InvitationInvalid
    return schemas.WorkspaceView.model_validate(joined)


@public.post("/invitations/open", responses=problems(InvitationInvalid, TooManyAttempts))
async def open_invitation(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.InvitationToken
) -> schemas.InvitationBrief:
    """What the token of an invitation is for. This does not use the invitation."""
    await count_client(doors.invitations, request)
    async with services.database.reading() as read:
        row = await invitations.look(read, body.invitation)
    return schemas.InvitationBrief.model_validate(row)
