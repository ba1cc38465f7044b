"""The caller of a route: every route under `/api` has one, unless it is on the list of public ones.

`server.app` puts `authenticated` before every router but the public one, so a new route is closed without saying so.
"""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.authentication import Authenticator
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.passwords import Passwords
from stepiq.accounts.tokens import AccessTokens
from stepiq.core import keys
from stepiq.web import requests
from stepiq.web.services import Services


@dataclass(frozen=True)
class Doors:
    """What checks credentials in this process; kept at `app.state.doors`."""

    authenticator: Authenticator
    tokens: AccessTokens
    passwords: Passwords
    jwt_secret: bytes

    @classmethod
    def build(cls, services: Services) -> "Doors":
        """With the signing key of the settings or the data folder."""
        secret = keys.jwt_secret(services.settings)
        tokens = AccessTokens(secret, services.settings.base_url)
        return cls(Authenticator(services.database, tokens), tokens, Passwords(), secret)

    async def close(self) -> None:
        """Finish what is under way."""
        await self.authenticator.settle()
        self.passwords.close()


async def _doors(request: Request) -> Doors:
    return cast(Doors, request.app.state.doors)


DoorsDep = Annotated[Doors, Depends(_doors)]


async def authenticated(request: Request, doors: DoorsDep) -> Actor:
    """The caller, by `Authorization: Bearer` or `X-API-Key`."""
    actor = await doors.authenticator.authenticate(
        request.headers.get("authorization"), request.headers.get("x-api-key")
    )
    requests.note(request.scope, workspace_id=str(actor.workspace_id))
    return actor


Caller = Annotated[Actor, Depends(authenticated)]
"""Whoever calls, whatever their scopes."""


def needs(scope: Scope) -> Any:
    """A dependency that gives the caller and refuses API keys without a scope.

    Use it as a parameter, `actor: Annotated[Actor, needs(Scope.PIPELINES_READ)]`, or in a route's `dependencies`.
    """

    async def check(caller: Caller) -> Actor:
        if scope not in caller.scopes:
            raise ScopeMissing(scope)
        return caller

    return Depends(check)
