"""Routes of logins with a code: a program starts one and waits, and a person with a session decides."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from pydantic import Field, StringConstraints

from stepiq.accounts import recorded
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.authentication.throttle import Throttle
from stepiq.accounts.credentials.origin import client_of, count_client
from stepiq.accounts.device_login import service
from stepiq.accounts.device_login.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    LoginDecided,
    SlowDown,
    UserCodeNotFound,
)
from stepiq.accounts.device_login.service import INTERVAL, KEY_LIFETIME, LIFETIME, UserCodes
from stepiq.accounts.errors import SessionRequired, TooManyAttempts
from stepiq.accounts.http import Person
from stepiq.accounts.schemas import Token, WorkspaceBrief
from stepiq.accounts.workspaces import service as workspaces
from stepiq.core.json import Json
from stepiq.execution.limits.quotas import PlanKeysExceeded
from stepiq.web.bodies import StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.errors import GrantRefused
from stepiq.web.limits import Limiter
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, Services, ServicesDep
from stepiq.web.transactions import Read

PATH = "/auth/device"
DECISION_PATH = "/user/device-login"
PAGE_PATH = "/device"
"""The page on which a person confirms a login."""

_PERIOD = timedelta(minutes=15)


@dataclass(frozen=True)
class DeviceLoginServices:
    """The codes, and the limits that keep them from being guessed."""

    user_codes: UserCodes
    starts: Limiter
    """Counts new logins, by client. A company can share one address."""
    polls: Limiter
    """Counts requests for keys, by client: 20 programs can wait at the same time."""
    wrong_codes: Throttle
    """Counts wrong codes of the sessions of each account."""

    @classmethod
    def build(cls, services: Services, user_codes: UserCodes) -> "DeviceLoginServices":
        """Create the services with their limits."""
        counts, wrong = services.counts, "Too many wrong codes for this account."
        return cls(
            user_codes,
            Limiter(60, _PERIOD, counts("device logins")),
            Limiter(240, timedelta(minutes=1), counts("polls of device logins")),
            Throttle(10, _PERIOD, counts("wrong codes of device logins"), wrong),
        )


DEVICE_LOGINS = AppKey[DeviceLoginServices]("device_logins")
DeviceLoginsDep = Annotated[DeviceLoginServices, Depends(DEVICE_LOGINS)]

# Only what occurs in host names, because a person reads it before the login is confirmed: no sentence can be sent.
_HostName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
]
_UserCode = Annotated[str, StringConstraints(min_length=1, max_length=20)]


class NewDeviceLogin(StrictModel):
    """A login to start."""

    host_name: _HostName | None = None
    """Name of the machine, for the person who confirms the login, and for the name of the key."""


class DeviceCodesView(View):
    """A login that waits for a person. The names are those of RFC 8628."""

    device_code: str
    """The secret with which the program asks for its key."""
    user_code: str
    """The code that the person compares."""
    verification_uri: str
    """The page on which the person enters the code."""
    verification_uri_complete: str
    """The same page with the code."""
    expires_in: int
    """How long the codes work, in seconds."""
    interval: int
    """How long the program must wait between two requests for its key, in seconds."""


class DeviceCode(StrictModel):
    """A login that waits for its key."""

    device_code: Token


class DeviceKeyView(View):
    """The API key of the login, which is shown only once."""

    id: UUID
    name: str
    key: str
    scopes: list[Scope]
    expires_at: Timestamp
    email: str
    """The person who has confirmed the login."""
    workspace: WorkspaceBrief


class UserCode(StrictModel):
    """The code that a program shows."""

    user_code: _UserCode
    """Case, spaces and hyphens do not matter."""


class DeviceDecision(UserCode):
    """A decision about a login."""

    approve: bool
    """Whether the program gets a key that acts as you in the workspace."""


class DeviceLoginView(View):
    """A login that waits for a decision. Its program states the host name: it proves nothing."""

    host_name: str | None
    client: str
    """The address of the program: an IPv4 address, or the /64 of an IPv6 address."""
    created_at: Timestamp
    expires_at: Timestamp
    scopes: list[Scope]
    """What the key can do. Your role in the workspace limits it."""
    key_days: Annotated[int, Field(ge=1)]
    """After how many days the key expires."""


class DecidedDeviceLogin(View):
    """A decision about a login."""

    approved: bool
    workspace: WorkspaceBrief


public = new_router("Device login")
"""The routes of the program, which has no credential."""

router = new_router("Device login")


@public.post(PATH, responses=problems(TooManyAttempts))
async def start_device_login(
    request: Request,
    services: ServicesDep,
    logins: DeviceLoginsDep,
    body: NewDeviceLogin | None = None,
) -> DeviceCodesView:
    """Start a login of a program (RFC 8628). A person confirms it in the browser, within ten minutes."""
    await count_client(logins.starts, request)
    async with services.database.transaction() as tx:
        started = await service.start(
            tx,
            logins.user_codes,
            host_name=None if body is None else body.host_name,
            client=client_of(request),
        )
    page = services.settings.base_url + PAGE_PATH
    return DeviceCodesView(
        device_code=started.device_code,
        user_code=started.user_code,
        verification_uri=page,
        verification_uri_complete=f"{page}?code={started.user_code}",
        expires_in=int(LIFETIME.total_seconds()),
        interval=int(INTERVAL.total_seconds()),
    )


@public.post(
    f"{PATH}/token",
    responses=problems(
        AuthorizationPending,
        SlowDown,
        ExpiredToken,
        AccessDenied,
        PlanKeysExceeded,
        TooManyAttempts,
    ),
)
async def redeem_device_login(
    request: Request, services: ServicesDep, logins: DeviceLoginsDep, body: DeviceCode
) -> DeviceKeyView:
    """Request the API key of a login, every `interval` seconds. The key is shown only once.

    The codes of the errors are those of RFC 8628.
    """
    await count_client(logins.polls, request)
    async with services.database.transaction() as tx:
        answer = await service.redeem(tx, body.device_code, services.plans.get)
        if isinstance(answer, service.LoginGranted):
            await recorded.on_key(tx, answer.actor, Action.API_KEY_CREATED, answer.key)
    if isinstance(answer, GrantRefused):
        raise answer
    made, account = answer.key, answer.account
    return DeviceKeyView(
        id=made.id,
        name=made.name,
        key=answer.text,
        scopes=made.scopes,
        expires_at=made.expires_at,
        email=account.email,
        workspace=WorkspaceBrief(id=account.workspace_id, name=account.workspace_name),
    )


@router.post(
    f"{DECISION_PATH}/open",
    responses=problems(SessionRequired, UserCodeNotFound, LoginDecided, TooManyAttempts),
)
async def open_device_login(
    caller: Person, read: Read, logins: DeviceLoginsDep, body: UserCode
) -> DeviceLoginView:
    """Show the login with a code, and what its key could do in the workspace. Changes nothing."""
    async with _counted(logins, caller):
        row = await service.find(read, logins.user_codes, body.user_code)
    return DeviceLoginView(
        host_name=row.host_name,
        client=row.client,
        created_at=row.created_at,
        expires_at=row.expires_at,
        scopes=service.scopes_for(caller),
        key_days=KEY_LIFETIME.days,
    )


@router.post(
    f"{DECISION_PATH}/decide",
    responses=problems(
        SessionRequired, UserCodeNotFound, LoginDecided, PlanKeysExceeded, TooManyAttempts
    ),
)
async def decide_device_login(
    caller: Person, services: ServicesDep, logins: DeviceLoginsDep, body: DeviceDecision
) -> DecidedDeviceLogin:
    """Confirm or refuse a login. A confirmed one gets an API key that acts as you in the workspace."""
    # A decision is made only once, so an `Idempotency-Key` would have no use.
    async with _counted(logins, caller), services.database.transaction() as tx:
        if body.approve:
            plan = services.plans.get(caller.plan)
            row = await service.approve(tx, logins.user_codes, caller, body.user_code, plan)
            action = Action.DEVICE_LOGIN_APPROVED
            granted: dict[str, Json] = {"scopes": [*map(str, service.scopes_for(caller))]}
        else:
            row = await service.deny(tx, logins.user_codes, caller, body.user_code)
            action, granted = Action.DEVICE_LOGIN_DENIED, {}
        facts = {"host_name": row.host_name, "client": row.client, **granted}
        await recorded.on_self(tx, caller, action, facts)
        workspace = await workspaces.one(tx, caller)
    return DecidedDeviceLogin(
        approved=body.approve,
        workspace=WorkspaceBrief(id=workspace.id, name=workspace.name),
    )


@asynccontextmanager
async def _counted(logins: DeviceLoginServices, caller: Actor) -> AsyncGenerator[None]:
    """Count wrong codes, so that nobody finds the code of another person's program by trying many."""
    async with logins.wrong_codes.attempt(str(caller.user_id)) as attempt:
        try:
            yield
        except UserCodeNotFound:
            attempt.count()
            raise
