"""What can go wrong with accounts, credentials and keys."""

from uuid import UUID

from stepiq.accounts.actor import Scope
from stepiq.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class CredentialMissing(Unauthenticated):
    """The request carries neither a token nor an API key."""

    code = "credential_missing"

    def __init__(self) -> None:
        super().__init__(
            "This route needs a credential: Authorization: Bearer TOKEN, or X-API-Key: sk_live_…"
        )


class CredentialInvalid(Unauthenticated):
    """A credential was sent, but it is malformed, unknown, expired or revoked: the answer does not say which."""

    code = "credential_invalid"


class LoginFailed(Unauthenticated):
    """E-mail and password do not belong together."""

    code = "login_failed"

    def __init__(self) -> None:
        super().__init__("No account has this e-mail address and password.")


class ScopeMissing(Forbidden):
    """The API key was not given the scope that this route needs."""

    code = "scope_missing"

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"This API key does not have the scope `{scope}`. Create one that has.", scope=scope
        )


class SessionRequired(Forbidden):
    """The route is for people who have logged in; no API key may use it."""

    code = "session_required"

    def __init__(self) -> None:
        super().__init__("API keys cannot do this. Log in and send the token.")


class RegistrationClosed(Forbidden):
    """The operator creates accounts here."""

    code = "registration_closed"

    def __init__(self) -> None:
        super().__init__("This server takes no registrations. Ask its operator for an account.")


class RegistrationInviteOnly(Forbidden):
    """An account needs an invitation here."""

    code = "registration_invite_only"

    def __init__(self) -> None:
        super().__init__("This server takes registrations by invitation only. Ask its operator.")


class SetupRequired(Forbidden):
    """The server has no account yet, and its first one, the administrator, can only be its operator's."""

    code = "setup_required"

    def __init__(self) -> None:
        super().__init__(
            "This server has no account yet. Register its administrator from the machine it runs on, or send the "
            "set-up token that `stepiq serve` prints as `setup_token`."
        )


class EmailTaken(Conflict):
    """An account with this e-mail address exists."""

    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("An account with this e-mail address exists already. Log in instead.")


class AccountNotFound(NotFound):
    """Nobody has an account with this e-mail address. Told to the operator only."""

    code = "account_not_found"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"There is no account {email}. Create it with `stepiq users create {email}`.",
            email=email,
        )


class KeyNotFound(NotFound):
    """The workspace has no such API key, or it has been revoked."""

    code = "api_key_not_found"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"There is no API key {key_id}.", key_id=key_id)


class KeyExpiryPast(Invalid):
    """The key would have expired before it was made."""

    code = "expiry_past"

    def __init__(self) -> None:
        super().__init__(
            "`expires_at` has passed already. Choose a later instant, or leave it out."
        )
