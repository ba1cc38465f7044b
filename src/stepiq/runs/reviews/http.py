"""Those who come by a link, without a credential: how they are known, and how often they may come."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, cast

from fastapi import Depends, Request

from stepiq.accounts.errors import TooManyAttempts
from stepiq.accounts.origin import client_of
from stepiq.core import clock
from stepiq.runs.reviews.links import Links
from stepiq.runs.reviews.records import LinkHolder
from stepiq.web.limits import Limiter

A_MINUTE = 60
"""Requests with a link, valid or not, that one client may send in a minute."""


@dataclass(frozen=True)
class LinkDoor:
    """Lets holders of links in, in this process; kept at `app.state.review_links`."""

    links: Links
    requests: Limiter = field(default_factory=lambda: Limiter(A_MINUTE, timedelta(minutes=1)))

    def let_in(self, request: Request, token: str) -> LinkHolder:
        """Who comes.

        Raises:
            TooManyAttempts: the client has sent as many as it may in a minute.
            ReviewLinkInvalid: this server did not make the token.
        """
        decision = self.requests.hit(client_of(request), clock.now())
        if not decision.is_allowed:
            raise TooManyAttempts(decision.reset)
        return self.links.read(token)


async def _door(request: Request) -> LinkDoor:
    return cast(LinkDoor, request.app.state.review_links)


LinkDoorDep = Annotated[LinkDoor, Depends(_door)]
