"""Why a sign-in with an identity provider can fail."""

from enum import StrEnum
from uuid import UUID

from stepiq.core.errors import Conflict, NotFound


class SignInFailure(StrEnum):
    """What the person reads on the sign-in page. The log has the exact reason."""

    PROVIDER_UNKNOWN = "provider_unknown"
    """The server has no provider with this name."""
    PROVIDER_UNREACHABLE = "provider_unreachable"
    """The provider did not respond, or responded with an error."""
    PROVIDER_MISCONFIGURED = "provider_misconfigured"
    """The provider refuses the client, or its documents are not valid."""
    WRONG_ISSUER = "wrong_issuer"
    """The discovery document, the response or the ID token names another issuer than the settings."""
    DENIED = "denied"
    """The person or the provider declined the sign-in."""
    EXPIRED = "expired"
    """The sign-in took too long, was completed before, or was started in another browser or tab."""
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - the name of a failure
    """The ID token is not valid: signature, audience, times, nonce or hash."""
    EMAIL_UNVERIFIED = "email_not_verified"
    """The provider has sent no email address, or does not say that the address is verified."""
    DOMAIN_NOT_ALLOWED = "domain_not_allowed"
    """The domain of the email address is not in `allowed_domains`."""
    ACCOUNT_DISABLED = "account_disabled"
    """The account is disabled."""
    ACCOUNT_EXISTS = "account_exists"
    """Another account has the address, and the person must prove once that it is theirs."""
    NO_ACCOUNT = "no_account"
    """The person has no account, and `create_accounts` is `false`."""
    NO_ROLE = "no_role"
    """No group of the person has a role, and the person is not a member of any workspace."""
    SETUP_REQUIRED = "setup_required"
    """The server has no account yet."""
    CONNECTED_ELSEWHERE = "connected_elsewhere"
    """The identity belongs to another account."""
    SIGNED_OUT = "signed_out"
    """The session that wanted to connect the identity has ended."""
    SIGN_IN_TOO_OLD = "sign_in_too_old"
    """The session that wants to connect the identity is more than 15 minutes old."""
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    """The client has sent too many requests in this minute."""
    UNAVAILABLE = "unavailable"
    """The database did not respond."""


class SignInFailed(Exception):
    """Ends a sign-in. `reason` is for the log, and contains no token, code or secret."""

    def __init__(self, failure: SignInFailure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


class IdentityNotFound(NotFound):
    """The account has no identity with this id."""

    code = "identity_not_found"

    def __init__(self, identity_id: UUID) -> None:
        super().__init__(f"Identity {identity_id} does not exist.", identity_id=identity_id)


class LastSignInMethod(Conflict):
    """The account has no password and no other identity, so nobody could sign in to it."""

    code = "last_sign_in_method"
    message = "This is the only way to sign in to the account. Connect another identity first."
