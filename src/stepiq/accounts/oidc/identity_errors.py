"""Errors of the routes of identities."""

from uuid import UUID

from stepiq.core.errors import Conflict, NotFound


class IdentityNotFound(NotFound):
    """The account has no identity with this id."""

    code = "identity_not_found"

    def __init__(self, identity_id: UUID) -> None:
        super().__init__(f"Identity {identity_id} does not exist.", identity_id=identity_id)


class LastSignInMethod(Conflict):
    """The account has no password and no other identity, so nobody could sign in to it."""

    code = "last_sign_in_method"

    def __init__(self) -> None:
        super().__init__(
            "This is the only way to sign in to the account. Connect another identity first."
        )
