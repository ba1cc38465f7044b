"""Access with the token of a link instead of a credential, with a rate limit for each client."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from fastapi import Request

from stepiq.accounts.credentials.origin import count_client
from stepiq.web.limits import Limiter

A_MINUTE = 60
"""Maximum requests per minute and client with links of one kind, valid or not."""

Access = TypeVar("Access")
Access_co = TypeVar("Access_co", covariant=True)


class AccountLinks(Protocol[Access_co]):
    """Verifies the tokens of one kind of link."""

    def read(self, token: str) -> Access_co:
        """What a token gives access to. Raises its own `StepIQError` if the token is not valid."""
        ...


@dataclass(frozen=True)
class LinkDoor(Generic[Access]):
    """Checks the tokens of one kind of link in this process."""

    links: AccountLinks[Access]
    requests: Limiter = field(default_factory=lambda: Limiter(A_MINUTE, timedelta(minutes=1)))

    def let_in(self, request: Request, token: str) -> Access:
        """What the token gives access to. Call it before a transaction begins, so that invalid requests hold none.

        Raises:
            TooManyAttempts: the client has sent too many requests in this minute.
            StepIQError: the token is not valid.
        """
        count_client(self.requests, request)
        return self.links.read(token)
