"""Invitations to a workspace: create, withdraw, look at, and use one."""

from typing import Any
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By, operator_of
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.errors import InvitationInvalid
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import invitations as queries
from stepiq.accounts.queries import members
from stepiq.accounts.workspaces import service as workspaces
from stepiq.accounts.workspaces.errors import AlreadyMember, InvitationNotFound
from stepiq.core import clock
from stepiq.core.mail import MailMessage
from stepiq.core.settings.model import Settings
from stepiq.execution.limits import mailboxes, quotas
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import Quota
from stepiq.store.database import Session
from stepiq.store.states import Role

PAGE_PATH = "/join"


async def create(
    session: Session,
    actor: Actor,
    settings: Settings,
    *,
    email: str,
    role: Role,
    plan: Plan,
) -> tuple[Any, str]:
    """Invite a person to the actor's workspace for seven days; returns the invitation's row and its token.

    Only a digest of the token is stored. Earlier invitations of the address to the workspace become invalid. Each
    invitation counts as an email of the workspace.

    Raises:
        RoleMissing: the actor is no longer an admin; only owners invite owners.
        AlreadyMember: the person is a member.
        EmailUnverified, CredentialInvalid: as for `current_rights.require_verified`.
        PlanEmailsExhausted: the workspace has sent as many emails today as its plan allows.
    """
    # Accounts before memberships, as everywhere.
    await current_rights.require_verified(session, settings, actor)
    await workspaces.require_role(session, actor, workspaces.role_to_invite(role))
    await _require_new(session, actor.workspace_id, email)
    await quotas.take(session, actor.workspace_id, plan, Quota.EMAILS_PER_DAY)
    return await _insert(session, actor, email, actor.workspace_id, role, invited_by=actor.user_id)


async def count_mail(session: Session, settings: Settings, email: str) -> str | None:
    """Count the email to an invited person, where recipients must confirm; returns the reason if it must not be sent.

    A refusal also counts if confirmation is turned off.
    """
    if await mailboxes.has_refused(session, email):
        return f"{email} does not want emails from this server."
    if settings.confirms_recipients and not await mailboxes.count(session, email, clock.now()):
        most = mailboxes.ASKED_A_DAY
        return f"stepIQ has asked or invited {email} {most} times today, which is the maximum."
    return None


async def create_by_operator(
    session: Session, workspace_id: UUID, *, email: str, role: Role
) -> tuple[Any, str]:
    """Invite a person to any workspace, as `create` does, without the limits of members.

    Raises:
        AlreadyMember: the person is a member.
    """
    await _require_new(session, workspace_id, email)
    return await _insert(session, operator_of(workspace_id), email, workspace_id, role)


async def _insert(
    session: Session,
    by: Actor | By,
    email: str,
    workspace_id: UUID,
    role: Role,
    invited_by: UUID | None = None,
) -> tuple[Any, str]:
    row, token = await queries.insert(
        session, email, workspace_id=workspace_id, role=role, invited_by=invited_by
    )
    await audit.record(session, by, Action.INVITATION_CREATED, _target(row), after={"role": role})
    return row, token


def _target(row: Any) -> AuditTarget:
    return AuditTarget(AuditTargetType.INVITATION, row.id, row.email)


async def _require_new(session: Session, workspace_id: UUID, email: str) -> None:
    row = await account_queries.any_by_email(session, email)
    if row is not None and await members.find(session, workspace_id, row.id) is not None:
        raise AlreadyMember(email)


async def withdraw(session: Session, actor: Actor, invitation_id: UUID) -> None:
    """Withdraw an open invitation. Raises InvitationNotFound if the workspace has no such open invitation."""
    row = await queries.delete(session, actor.workspace_id, invitation_id)
    if row is None:
        raise InvitationNotFound(invitation_id)
    await audit.record(
        session, actor, Action.INVITATION_REVOKED, _target(row), before={"role": row.role}
    )


async def look(session: Session, token: str) -> Any:
    """The row of an open invitation, with the name of its workspace, and whether its address has an account.

    Raises:
        InvitationInvalid: it is unknown, used or expired.
    """
    row = await queries.find(session, keys.digest(token), clock.now())
    if row is None:
        raise InvitationInvalid
    return row


async def join(session: Session, actor: Actor, token: str) -> Any:
    """Use an invitation as the actor; returns its row. The role of a member does not change.

    Raises:
        InvitationInvalid: it is unknown, used, expired, for another address, or not to a workspace.
    """
    account = await accounts.me(session, actor)
    row = await accounts.spend_invitation(session, token, account.email)
    if row.workspace_id is None:
        raise InvitationInvalid
    await accounts.join(session, actor, actor.user_id, row.email, row)
    return row


def url(settings: Settings, token: str) -> str:
    """The page that opens an invitation."""
    return f"{settings.base_url}{PAGE_PATH}#invitation={token}"


def message(settings: Settings, email: str, inviter: str, token: str) -> MailMessage:
    """The email to an invited person."""
    # The text contains no name that a person can choose. Otherwise, workspaces could be used to send texts to strangers.
    return MailMessage(
        email,
        "Your invitation to a workspace of stepIQ",
        f"""\
{inviter} invites you to a workspace of stepIQ at {settings.base_url}

Open this link within seven days to join with this email address ({email}):

{url(settings, token)}

If you do not know the sender, ignore this email.
""",
    )
