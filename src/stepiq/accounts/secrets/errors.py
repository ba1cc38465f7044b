"""What can go wrong with stored secrets."""

from stepiq.core.errors import Conflict, NotFound


class SecretNotFound(NotFound):
    """The account or pipeline has no such secret."""

    code = "secret_not_found"

    def __init__(self, secret: str) -> None:
        super().__init__(f"There is no secret `{secret[:100]}`.")


class TooManySecrets(Conflict):
    """The workspace has reached the maximum number of secrets."""

    code = "too_many_secrets"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The workspace has reached the limit of {limit:,} secrets, including those of its pipelines. Delete one first.",
            limit=limit,
        )
