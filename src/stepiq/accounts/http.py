"""Dependencies that authenticate the caller of a route. Every route under `/api` needs a caller, except public ones.

`server.app` adds `authenticated` to every router except the public one, so new routes require a credential by default.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Request

from stepiq.accounts.actor import SCOPES_OF_ROLE, Actor, Credential, Scope, includes
from stepiq.accounts.authentication.authenticator import Authenticator
from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.accounts.authentication.throttle import Sprays, Throttle
from stepiq.accounts.credentials.cookie import SessionCookies
from stepiq.accounts.credentials.origin import count_client
from stepiq.accounts.credentials.passwords import Passwords
from stepiq.accounts.credentials.tokens import AccessTokens
from stepiq.accounts.emails.notices import AccountNotices
from stepiq.accounts.emails.password_reset import AccountRecovery
from stepiq.accounts.emails.verification import Verification
from stepiq.accounts.errors import (
    AdminRequired,
    CredentialMissing,
    KeyRequired,
    MemberRequired,
    RoleMissing,
    ScopeMissing,
    SessionRequired,
    WorkspaceNotFound,
)
from stepiq.accounts.queries.known_clients import KnownClients
from stepiq.core import ids
from stepiq.core.concurrency.fairness import act_for
from stepiq.core.keys import files as keys
from stepiq.execution.limits.plans import Plan
from stepiq.store.states import Role
from stepiq.web import requests
from stepiq.web.errors import RateLimited
from stepiq.web.limits import Decision, Limiter
from stepiq.web.services import SERVICES, AppKey, Services

WORKSPACE_HEADER = "X-Workspace"
"""Names the workspace of a request with a session."""

_MINUTE = timedelta(minutes=1)


Access = TypeVar("Access")

LINKS_A_MINUTE = 60
"""Maximum requests per minute and client with links of one kind, valid or not."""


@dataclass(frozen=True)
class LinkDoor(Generic[Access]):
    """Access with the token of one kind of link instead of a credential."""

    read: Callable[[str], Access]
    """What a token gives access to. Raises its own `StepIQError` if the token is not valid."""
    requests: Limiter

    async def admit(self, request: Request, token: str) -> Access:
        """What the token gives access to. Call it before a transaction begins, so that invalid requests hold none.

        Raises:
            TooManyAttempts: the client has sent too many requests in this minute.
            StepIQError: the token is not valid.
        """
        await count_client(self.requests, request)
        return self.read(token)


def link_door(services: Services, name: str, read: Callable[[str], Access]) -> LinkDoor[Access]:
    """The access with links of the kind `name`."""
    return LinkDoor(read, Limiter(LINKS_A_MINUTE, _MINUTE, services.counts(name)))


@dataclass(frozen=True)
class AuthServices:
    """The authentication services of this process."""

    authenticator: Authenticator
    tokens: AccessTokens
    cookies: SessionCookies
    passwords: Passwords
    recovery: AccountRecovery
    jwt_secret: bytes
    verification: Verification
    verification_links: LinkDoor[UUID]
    known_clients: KnownClients
    watch: ExpiryWatch
    """Ends streams when their credential no longer works."""
    notices: AccountNotices
    """Sends emails about changes of how people sign in."""
    requests: Limiter
    """Counts requests of each credential and of each workspace. The plan sets the limits."""
    logins: Throttle
    """Counts wrong passwords, by account and client."""
    sprays: Sprays
    """Counts wrong passwords over all accounts, by client, by network and in total."""
    codes: Throttle
    """Counts wrong codes of the second factor, by account."""
    registrations: Limiter
    """Counts new accounts, by client."""
    invitations: Limiter
    """Counts looks at invitations, by client."""

    @classmethod
    def build(cls, services: Services) -> "AuthServices":
        """Create the services, with the signing key from the settings or the data folder."""
        database, base_url, counts = services.database, services.settings.base_url, services.counts
        secret = keys.jwt_secret(services.settings)
        tokens = AccessTokens(secret, base_url)
        authenticator = Authenticator(database, tokens)
        known_clients = KnownClients(secret)
        recovery = AccountRecovery(database, services.mailer, base_url, known_clients, counts)
        verification = Verification(services.settings, services.mailer, counts)
        wrong_codes = "Too many wrong codes for this account."
        return cls(
            authenticator,
            tokens,
            SessionCookies(secret, base_url),
            Passwords(),
            recovery,
            secret,
            verification,
            link_door(services, "verification links", verification.read),
            known_clients,
            ExpiryWatch(database),
            AccountNotices(services.mailer, counts("notices")),
            requests=Limiter(0, _MINUTE, counts("requests")),
            logins=Throttle(10, timedelta(minutes=15), counts("wrong passwords")),
            sprays=Sprays(counts),
            codes=Throttle(10, timedelta(minutes=15), counts("wrong codes"), wrong_codes),
            registrations=Limiter(20, timedelta(hours=1), counts("registrations")),
            invitations=Limiter(60, _MINUTE, counts("invitations")),
        )

    async def close(self) -> None:
        """Finish pending work, and stop the threads."""
        await self.watch.close()
        await self.recovery.settle()
        await self.verification.settle()
        await self.notices.settle()
        await self.authenticator.settle()
        self.passwords.close()


DOORS = AppKey[AuthServices]("doors")
DoorsDep = Annotated[AuthServices, Depends(DOORS)]


async def authenticate(doors: AuthServices, request: Request) -> Actor:
    """The caller, by `Authorization: Bearer` or `X-API-Key`, or by the session cookie if neither was sent.

    Raises:
        CredentialMissing, CredentialInvalid, WorkspaceNotFound, NoWorkspace: see `Authenticator.authenticate`.
        CrossSiteRequest, CsrfTokenInvalid: see `SessionCookies.check_request`.
    """
    headers, workspace_id = request.headers, _workspace(request)
    cookie = doors.cookies.value_of(request)
    if cookie is not None:
        session_id = doors.cookies.session_of(cookie)
        actor = await doors.authenticator.by_session(session_id, workspace_id)
        doors.cookies.check_request(request, session_id)
        return actor
    return await doors.authenticator.authenticate(
        headers.get("authorization"), headers.get("x-api-key"), workspace_id
    )


def _workspace(request: Request) -> UUID | None:
    text = request.headers.get(WORKSPACE_HEADER, "").strip()
    if not text:
        return None
    workspace_id = ids.parse(text)
    if workspace_id is None:
        raise WorkspaceNotFound(text)
    return workspace_id


async def authenticated(request: Request) -> Actor:
    """The caller, by a credential in a header or the session cookie, within the request limits of their plan."""
    # Not as dependencies: the framework would resolve them again wherever the caller is one.
    doors, services = DOORS.get(request.app), SERVICES.get(request.app)
    try:
        actor = await authenticate(doors, request)
    except CredentialMissing:
        raise CredentialMissing(_only_credential(request)) from None
    requests.set_caller(request.scope, actor.workspace_id, actor.scopes, actor.principal_id)
    act_for(actor.workspace_id)
    await _count_request(request, doors.requests, actor, services.plans.get(actor.plan))
    return actor


def _only_credential(request: Request) -> Credential | None:
    """The kind of credential that the route requires. None if it accepts both."""
    found = list(requests.dependencies_of(request.scope))
    if person in found:
        return Credential.SESSION
    is_key_only = any(isinstance(each, Scoped) and each.is_key_only for each in found)
    return Credential.API_KEY if is_key_only else None


async def _count_request(request: Request, limiter: Limiter, actor: Actor, plan: Plan) -> None:
    """Count a request for its credential and its workspace. The headers show the limit that is reached first."""
    decisions: list[Decision] = []
    for setting, key in (
        ("requests_per_minute", actor.key_id or actor.session_id),
        ("workspace_requests_per_minute", actor.workspace_id),
    ):
        limit = plan.limits[setting]
        if limit is None:
            continue
        decision = await limiter.hit((setting, key), int(limit))
        decisions.append(decision)
        first = min(decisions, key=lambda each: (each.is_allowed, each.remaining))
        requests.add_headers(request.scope, _rate_headers(first))
        if not decision.is_allowed:
            raise RateLimited(decision.limit, actor.plan, setting, decision.reset)


def _rate_headers(decision: Decision) -> dict[str, str]:
    # draft-ietf-httpapi-ratelimit-headers-06, the last draft with a header for each value.
    return {
        "RateLimit-Limit": str(decision.limit),
        "RateLimit-Remaining": str(decision.remaining),
        "RateLimit-Reset": str(math.ceil(decision.reset.total_seconds())),
        "RateLimit-Policy": f"{decision.limit};w={int(_MINUTE.total_seconds())}",
    }


Caller = Annotated[Actor, Depends(authenticated)]
"""The authenticated caller, with any scopes."""


@dataclass(frozen=True)
class Scoped:
    """A dependency that requires a scope. The API documentation shows it on every route that uses it."""

    scope: Scope
    is_key_only: bool = False
    """Whether only API keys are accepted."""


class Needs(Scoped):
    """Returns the caller, and refuses API keys without the scope, and members whose role does not have it."""

    async def __call__(self, caller: Caller) -> Actor:
        require_scope(caller, self.scope)
        return caller


class MemberNeeds(Needs):
    """Returns the caller, and also refuses service keys, for what belongs to a person."""

    async def __call__(self, caller: Caller) -> Actor:
        if caller.role is None:
            raise MemberRequired
        return await super().__call__(caller)


class KeyHolder(MemberNeeds):
    """Returns the caller, who must use a personal API key. A session is not accepted here."""

    async def __call__(self, caller: Caller) -> Actor:
        if caller.credential is not Credential.API_KEY:
            raise KeyRequired
        return await super().__call__(caller)


class Assignable(Scoped):
    """Returns the caller. Refuses keys without the scope; the service checks members, who may be assigned instead."""

    async def __call__(self, caller: Caller) -> Actor:
        if caller.credential is Credential.API_KEY:
            require_scope(caller, self.scope)
        return caller


def require_scope(caller: Actor, scope: Scope) -> None:
    """Refuse a caller without a scope.

    Raises:
        RoleMissing: the role of the user does not have it.
        ScopeMissing: the API key does not have it.
    """
    if scope in caller.scopes:
        return
    if caller.role is not None and scope not in SCOPES_OF_ROLE[caller.role]:
        raise RoleMissing.for_scope(scope, caller.role)
    raise ScopeMissing(scope)


def needs(scope: Scope) -> Any:
    """A dependency that returns the caller, and refuses API keys and roles without a scope.

    Use it as a parameter, `actor: Annotated[Actor, needs(Scope.PIPELINES_READ)]`, or in a route's `dependencies`.
    """
    return Depends(Needs(scope))


async def person(caller: Caller) -> Actor:
    """The caller, who must use a session. API keys are refused."""
    if caller.credential is not Credential.SESSION:
        raise SessionRequired
    return caller


Person = Annotated[Actor, Depends(person)]
"""A caller with a session."""


@dataclass(frozen=True)
class NeedsRole:
    """Returns the caller, who must use a session and have at least this role in the workspace."""

    role: Role

    async def __call__(self, caller: Person) -> Actor:
        if caller.role is None or not includes(caller.role, self.role):
            raise RoleMissing(self.role, caller.role)
        return caller


WorkspaceAdmin = Annotated[Actor, Depends(NeedsRole(Role.ADMIN))]
"""A member with the role `admin` or `owner` who has logged in."""
WorkspaceOwner = Annotated[Actor, Depends(NeedsRole(Role.OWNER))]
"""A member with the role `owner` who has logged in."""


async def administrator(caller: Person) -> Actor:
    """The caller, who must be an administrator of the server."""
    if not caller.is_admin:
        raise AdminRequired
    return caller


Administrator = Annotated[Actor, Depends(administrator)]
"""An administrator of the server who has logged in."""
