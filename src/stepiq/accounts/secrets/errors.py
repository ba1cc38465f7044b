"""Errors of stored secrets."""

from stepiq.core.errors import Conflict, NotFound


class SecretNotFound(NotFound):
    """The workspace or pipeline has no such secret."""

    code = "secret_not_found"

    def __init__(self, secret: str) -> None:
        super().__init__(f"Secret `{secret[:100]}` does not exist.")


class TooManySecrets(Conflict):
    """The workspace has reached the maximum number of secrets."""

    code = "too_many_secrets"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The workspace has {limit:,} secrets, including those of its pipelines. This is the limit. Delete one first.",
            limit=limit,
        )
