"""Records actions on accounts, sessions and API keys in the audit log."""

from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By, Facts, NewEntry, person
from stepiq.accounts.service import Account, SignedIn
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.database import Session
from stepiq.web.services import AppKey

REFUSALS = AppKey[audit.EntryBatcher]("refusals")
"""Records refused sign-ins, which have no transaction of their own."""


def user_target(user_id: UUID, email: str) -> AuditTarget:
    """An account."""
    return AuditTarget(AuditTargetType.USER, user_id, email)


def account_facts(account: Account) -> dict[str, Json]:
    """What the log shows of a new account."""
    return {
        "email": account.email,
        "name": account.name,
        "plan": account.plan,
        "is_admin": account.is_admin,
    }


async def registered(session: Session, account: Account, invitation: Any) -> None:
    """Record that a person registered, and with an invitation to a workspace joined it. `invitation` is its row or None."""
    by = person(account.id, account.email, account.workspace_id)
    target = user_target(account.id, account.email)
    after: dict[str, Json] = {
        **account_facts(account),
        "with_invitation": invitation is not None,
    }
    entries = [audit.new_entry(by, Action.USER_REGISTERED, target, after=after)]
    if invitation is not None and invitation.workspace_id is not None:
        role: dict[str, Json] = {"role": account.role}
        entries.append(audit.new_entry(by, Action.MEMBER_ADDED, target, after=role))
    await audit.record_all(session, entries)


async def signed_in(
    session: Session, opened: SignedIn, *, method: str, codes_left: int | None = None
) -> None:
    """Record that a person signed in, such as with the method `password`. `codes_left`: after that of a recovery code."""
    account = opened.account
    by = person(account.id, account.email, account.workspace_id)
    await on_session(session, by, Action.SESSION_OPENED, opened.session_id, {"method": method})
    if codes_left is not None:
        await audit.record(
            session,
            by,
            Action.TWO_FACTOR_RECOVERED,
            user_target(account.id, account.email),
            after={"recovery_codes_left": codes_left},
        )


def refused(email: str, account: Account | None, *, reason: str) -> NewEntry:
    """The entry of a failed sign-in, in the log of the account's first workspace. Without one, it is in the server's log."""
    return audit.new_entry(
        By(ActorKind.ANONYMOUS, None if account is None else account.workspace_id),
        Action.SESSION_REFUSED,
        AuditTarget(AuditTargetType.USER, None if account is None else account.id, email),
        after={"reason": reason},
    )


async def on_session(
    session: Session,
    by: Actor | By,
    action: Action,
    session_id: UUID | None,
    after: Facts | None = None,
) -> None:
    """Record that a session was opened or ended."""
    target = AuditTarget(AuditTargetType.SESSION, session_id)
    await audit.record(session, by, action, target, after=after)


async def signed_out(session: Session, actor: Actor, *, ended: int, everywhere: bool) -> None:
    """Record that a person signed out."""
    after: Facts = {"everywhere": everywhere, "sessions_ended": ended}
    await on_session(session, actor, Action.SESSION_ENDED, actor.session_id, after)


async def on_self(
    session: Session, actor: Actor, action: Action, after: Facts | None = None
) -> None:
    """Record that a person changed their own account. The entry has its address as the name of the actor."""
    target = AuditTarget(AuditTargetType.USER, actor.user_id)
    await audit.record(session, actor, action, target, after=after)


async def on_user(
    session: Session,
    by: Actor | By,
    action: Action,
    user_id: UUID,
    email: str,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Record an action on an account in the server's own log."""
    await audit.record(
        session,
        by,
        action,
        user_target(user_id, email),
        before=before,
        after=after,
        workspace_id=None,
    )


async def by_link(session: Session, user: Any, action: Action, after: Facts | None = None) -> None:
    """Record what a person did with a link from an email: in the log of the first workspace, or else the server's.

    `user` is a row of `service.user_named`.
    """
    await audit.record(
        session,
        By(ActorKind.LINK, user.workspace_id, user.id, user.email),
        action,
        user_target(user.id, user.email),
        after=after,
    )


async def on_key(session: Session, actor: Actor, action: Action, row: Any, **added: Json) -> None:
    """Record that a key was created, rolled or revoked. `added`: what else the log shows of a new one."""
    facts: dict[str, Json] = {
        "prefix": row.prefix,
        "scopes": list(row.scopes),
        "expires_at": None if row.expires_at is None else clock.iso(row.expires_at),
        **added,
    }
    is_revoked = action in (Action.API_KEY_REVOKED, Action.SERVICE_KEY_REVOKED)
    await audit.record(
        session,
        actor,
        action,
        AuditTarget(AuditTargetType.API_KEY, row.id, row.name),
        before=facts if is_revoked else None,
        after=None if is_revoked else facts,
    )
