"""Errors of accounts, credentials and API keys."""

import math
from datetime import timedelta
from uuid import UUID

from stepiq.accounts.actor import Credential, Scope, role_with
from stepiq.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from stepiq.store.states import Role


class CredentialMissing(Unauthenticated):
    """The request carries neither a token nor an API key.

    Args:
        only: the kind of credential that the route requires; None if it accepts both.
    """

    code = "credential_missing"

    def __init__(self, only: Credential | None = None) -> None:
        match only:
            case Credential.API_KEY:
                message = "This requires an API key. Send `X-API-Key: sk_live_…`."
            case Credential.SESSION:
                message = (
                    "This requires a login. Send its access token as `Authorization: Bearer TOKEN`."
                )
            case None:
                message = "This requires a login or an API key. Send `Authorization: Bearer TOKEN` or `X-API-Key: sk_live_…`."
        super().__init__(message)


class CredentialInvalid(Unauthenticated):
    """The credential is malformed, unknown, expired or revoked.

    A key is also refused while its account, or the accounts of all members of its workspace, are disabled.
    """

    code = "credential_invalid"


class LoginFailed(Unauthenticated):
    """The email address or the password is wrong."""

    code = "login_failed"
    message = "The email address or the password is wrong."


class RefreshUnknown(Unauthenticated):
    """The refresh token is unknown."""

    code = "refresh_unknown"
    message = "This refresh token is unknown. Log in again."


class RefreshExpired(Unauthenticated):
    """The refresh token is more than 30 days old."""

    code = "refresh_expired"
    message = "This refresh token has expired. Log in again."


class RefreshReused(Unauthenticated):
    """The refresh token was used twice. Its session has ended."""

    code = "refresh_reused"
    message = (
        "This refresh token was used before. Someone may have copied it, so its session was ended. "
        "Log in again."
    )


class SessionEnded(Unauthenticated):
    """The session has ended, for example by a logout or a new password."""

    code = "session_ended"
    message = "The session has ended. Log in again."


class TooManyAttempts(LimitReached):
    """Too many failed logins or registrations from one address or network."""

    code = "too_many_attempts"

    def __init__(
        self, wait: timedelta, reason: str = "Too many attempts from your address."
    ) -> None:
        minutes = max(1, math.ceil(wait.total_seconds() / 60))
        super().__init__(
            f"{reason} Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}.",
            retry_after=wait,
        )


class Busy(Unavailable):
    """Too many passwords are waiting to be checked."""

    code = "busy"
    message = "Too many passwords are waiting to be checked. Try again in a few seconds."


class PasswordWrong(Invalid):
    """The current password is wrong."""

    code = "password_wrong"

    def __init__(self, field: str = "current_password") -> None:
        super().__init__(f"`{field}` is wrong.")


class ResetInvalid(Invalid):
    """The reset token is unknown, used, expired, or older than the current password."""

    code = "reset_invalid"
    message = "This link or token is not valid. Each one works once, within one hour. Request a new email."


class InvitationInvalid(Invalid):
    """The invitation is unknown, used, expired, or for another address."""

    code = "invitation_invalid"
    message = (
        "This invitation is not valid. Each one works once, for one email address, within seven days. "
        "Ask the person who invited you for another one."
    )


class ScopeMissing(Forbidden):
    """The API key does not have the scope that this route needs."""

    code = "scope_missing"

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"This API key does not have the scope `{scope}`. Create a key that has it.",
            scope=scope,
        )


class RoleMissing(Forbidden):
    """The caller's role in the workspace does not allow this."""

    code = "role_missing"

    def __init__(self, needed: Role, role: Role | None) -> None:
        has = "A service key has no role." if role is None else f"Your role is `{role}`."
        super().__init__(
            f"This requires the role `{needed}` in the workspace. {has} Ask an admin of the workspace to change it.",
            needed=needed,
            role=role,
        )

    @classmethod
    def for_scope(cls, scope: Scope, role: Role) -> "RoleMissing":
        """The error for a member whose role does not have a scope."""
        return cls(role_with(scope), role)


class WorkspaceNotFound(NotFound):
    """The caller is not a member of this workspace, or it does not exist."""

    code = "workspace_not_found"

    def __init__(self, workspace_id: UUID | str) -> None:
        super().__init__(
            f"You are not a member of workspace {workspace_id}. Choose one of your workspaces. An API key works only in its "
            "own workspace.",
            workspace_id=workspace_id,
        )


class NoWorkspace(Forbidden):
    """The account is not a member of any workspace."""

    code = "no_workspace"
    message = (
        "Your account is not a member of any workspace. Ask an admin of a workspace to invite you."
    )


class MemberRequired(Forbidden):
    """The route is for members, and a service key does not act as one."""

    code = "member_required"
    message = "This belongs to a person, and a service key does not act as one. Use a session or a personal API key."


class SessionRequired(Forbidden):
    """The route needs a login. API keys are not accepted."""

    code = "session_required"
    message = "API keys cannot do this. Log in, and send the access token as `Authorization: Bearer TOKEN`."


class KeyRequired(Unauthenticated):
    """The route requires an API key. A session is not enough."""

    code = "api_key_required"
    message = "This requires an API key. Send it as `X-API-Key: sk_live_…`."


class CsrfTokenInvalid(Forbidden):
    """The `X-CSRF-Token` is missing, or does not belong to the session cookie."""

    code = "csrf_token_invalid"
    message = (
        "The session cookie was sent without the CSRF token of its session. Send the `csrf_token` that GET /api/session "
        "returns in the `X-CSRF-Token` header."
    )


class CrossSiteRequest(Forbidden):
    """A page of another origin sent the request with the session cookie."""

    code = "cross_site_request"
    message = (
        "A page of another origin has sent this request. The session cookie works only for the pages of this server. "
        "Other pages and programs can use an access token or an API key. Behind a proxy, set STEPIQ_PUBLIC_URL to the URL "
        "that browsers use."
    )


class RegistrationClosed(Forbidden):
    """Only the operator can create accounts on this server."""

    code = "registration_closed"
    message = "Registration is closed on this server. Ask the operator for an account."


class RegistrationInviteOnly(Forbidden):
    """Registration on this server requires an invitation."""

    code = "registration_invite_only"
    message = "Registration on this server requires an invitation. Ask the operator for one, and send it as `invitation`."


class SetupRequired(Forbidden):
    """The server has no account yet. Only its operator can create the first one."""

    code = "setup_required"

    def __init__(self, *, is_wrong: bool = False) -> None:
        """`is_wrong`: a setup token was sent, but it is not that of this server."""
        start = (
            "This server has no account yet, and `setup_token` is not its setup token."
            if is_wrong
            else "This server has no account yet. To register its administrator, send the setup token as `setup_token`."
        )
        super().__init__(f"{start} To get the token, run `stepiq setup-token` on the server.")


class SetupDone(Conflict):
    """The server already has an account, so it has no setup token."""

    code = "setup_done"
    message = (
        "The server already has an account, so the setup token has no effect. To add accounts, use `stepiq users create` or "
        "`stepiq users invite`."
    )


class EmailTaken(Conflict):
    """An account with this email address already exists."""

    code = "email_taken"

    def __init__(self, advice: str = "Log in instead.") -> None:
        super().__init__(f"An account with this email address already exists. {advice}")


class AccountNotFound(NotFound):
    """No account has this email address."""

    code = "account_not_found"

    def __init__(self, email: str, *, is_invited: bool = False) -> None:
        """`is_invited`: the address has an open invitation."""
        super().__init__(
            f"Account {email} does not exist yet: its invitation is open. To change the invitation, invite the address again."
            if is_invited
            else f"Account {email} does not exist. Create it with `stepiq users create {email}`.",
            email=email,
        )


class EmailUnverified(Forbidden):
    """The email address of the account is not verified."""

    code = "email_unverified"
    message = (
        "The email address of this account is not verified. Until then, the account cannot send email, invite people, create service "
        "keys, add or change schedules, or turn on two-factor sign-in. Open the link in the verification email, or request another "
        "one in your profile."
    )


class VerificationInvalid(Invalid):
    """The token that verifies an email address is invalid or more than seven days old."""

    code = "verification_invalid"
    message = (
        "This link is invalid or has expired. Log in, and request another email in your profile."
    )


class AdminRequired(Forbidden):
    """Only administrators of the server can use this route."""

    code = "admin_required"
    message = "Only administrators of the server can do this. Ask one of them, or use `stepiq users` on the server."


class OwnAccount(Conflict):
    """Administrators cannot disable, enable or delete themselves, or remove their own administrator rights."""

    code = "own_account"
    message = "You cannot change your own account here. Ask another administrator, or use `stepiq users` on the server."


class UserNotFound(NotFound):
    """The server has no account with this id."""

    code = "user_not_found"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(
            f"Account {user_id} does not exist, or was deleted. Choose one of the list of accounts."
        )


class SessionNotFound(NotFound):
    """The account has no such session, or the session has ended."""

    code = "session_not_found"

    def __init__(self, session_id: UUID) -> None:
        super().__init__(
            f"Session {session_id} does not exist, or has ended.", session_id=session_id
        )


class KeyNotFound(NotFound):
    """The workspace has no such API key."""

    code = "api_key_not_found"

    def __init__(self, key_id: UUID | None) -> None:
        super().__init__(f"API key {key_id} does not exist.", key_id=key_id)


class KeyExpiryPast(Invalid):
    """The expiry of the key is in the past."""

    code = "expiry_past"
    message = "`expires_at` is in the past. Use a later time, or omit the field."
