"""Routes of single sign-on: the providers, the way to a provider and back, and the identities of an account."""

import html
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from stepiq.accounts import service as accounts
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.credentials.origin import client_of, hit_client, origin_of
from stepiq.accounts.credentials.passwords import NO_PASSWORD
from stepiq.accounts.emails import notices
from stepiq.accounts.errors import SessionRequired
from stepiq.accounts.http import AuthServices, DoorsDep, Person
from stepiq.accounts.oidc import queries, service
from stepiq.accounts.oidc.errors import (
    IdentityNotFound,
    LastSignInMethod,
    SignInFailed,
    SignInFailure,
)
from stepiq.accounts.oidc.http import (
    PATH,
    OidcDep,
    OidcServices,
    PendingSignIn,
    local_path,
    start_path,
)
from stepiq.accounts.oidc.provider import (
    AuthorizationResponse,
    IdentifiedPerson,
    IdentityProvider,
)
from stepiq.accounts.oidc.queries import Policy, Refused
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.recorded import REFUSALS
from stepiq.core.errors import StepIQError
from stepiq.core.observability import logging
from stepiq.store.database import StoreUnavailable
from stepiq.web.bodies import Timestamp, View, takes_any_query
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

PROFILE = "/settings/profile"
"""The page that shows the identities of an account."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # The URL of this page has the code, which was used.
    "Referrer-Policy": "no-referrer",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="0;url={target}">
<title>stepIQ</title>
</head>
<body><p><a href="{target}">Continue</a></p></body>
</html>
"""


def continue_to(path: str) -> HTMLResponse:
    """A page that opens a page of this server.

    A redirect would continue the navigation that the provider has started, so browsers would not send the session
    cookie, which is `SameSite=Strict`. This page starts a navigation of its own.
    """
    return HTMLResponse(_PAGE.format(target=html.escape(path)), headers=_HEADERS)


def failed(
    failure: SignInFailure, provider: str, next_page: str, *, connects: bool = False
) -> RedirectResponse:
    """A redirect to the page that shows why a sign-in has failed."""
    facts = {"failure": failure.value, "provider": provider[:40]}
    if connects:
        return _redirect(f"{PROFILE}?{urlencode(facts)}")
    if next_page != "/":
        facts["next"] = next_page
    return _redirect(f"/login?{urlencode(facts)}")


def to_provider(url: str) -> RedirectResponse:
    """A redirect to the sign-in page of a provider."""
    return _redirect(url)


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, 302, headers={"Referrer-Policy": "no-referrer"})


class IdentityProviderView(View):
    """A provider that people can sign in with."""

    id: str
    name: str
    start_path: str
    """Open it in a browser to sign in."""


class IdentityProvidersView(View):
    """The providers of this server."""

    data: list[IdentityProviderView]
    needs_setup: bool
    """Whether the server has no account yet. The first one must be created before anyone can sign in."""


class IdentityView(View):
    """An identity that can sign in to the account."""

    id: UUID
    provider: str
    """Id of the provider."""
    provider_name: str
    email: str | None
    """The address that the provider sent at the last sign-in."""
    created_at: Timestamp
    last_used_at: Timestamp
    suspended: bool
    """Whether a reset of the password has suspended it, until it is connected again."""


class IdentitiesView(View):
    """The identities of an account."""

    data: list[IdentityView]
    has_password: bool
    """Whether the account can also sign in with a password."""


class DisconnectedIdentityView(View):
    """The disconnected identity."""

    id: UUID
    deleted: Literal[True] = True


public = new_router("Auth")
"""The routes that need no credential."""

router = new_router("Users")

log = logging.get(__name__)

_REDIRECT = {302: {"description": "To the provider, or to the page that shows why it failed."}}


@public.get("/auth/providers")
async def list_providers(read: Read, oidc: OidcDep) -> IdentityProvidersView:
    """The identity providers that people can sign in with."""
    return IdentityProvidersView(
        data=[
            IdentityProviderView(id=name, name=each.label, start_path=start_path(name))
            for name, each in oidc.providers.items()
        ],
        needs_setup=await accounts.needs_setup(read),
    )


@public.get(
    f"{PATH}/start", status_code=302, response_class=RedirectResponse, responses={**_REDIRECT}
)
async def start_oidc(
    request: Request,
    doors: DoorsDep,
    oidc: OidcDep,
    provider: str,
    next: Annotated[str, Query()] = "/",  # noqa: A002 - the name of the parameter
    connect: Annotated[bool, Query()] = False,
) -> RedirectResponse:
    """Go to an identity provider to sign in, in a browser. Failures go to the sign-in page.

    `next` is the path of the page to open afterwards. With `connect`, the identity is connected to the account of the session.
    """
    found = oidc.providers.get(provider)
    session_id = None
    try:
        await _count(request, oidc)
        if found is None:
            raise SignInFailed(SignInFailure.PROVIDER_UNKNOWN, "no provider has this name")
        if connect:
            session_id = await _session(request, doors)
        pending = oidc.pending.begin(provider, next_page=next, session_id=session_id)
        url = await found.authorization_url(
            state=oidc.pending.state(pending),
            nonce=oidc.pending.nonce(pending),
            challenge=oidc.pending.challenge(pending),
        )
    except SignInFailed as failure:
        _log(provider, failure.failure, failure.reason)
        return failed(failure.failure, provider, local_path(next), connects=connect)
    response = to_provider(url)
    oidc.pending.set(response, pending)
    return response


@public.get(
    f"{PATH}/callback",
    response_class=HTMLResponse,
    responses={
        200: {"description": "Opens the page `next`, with the session cookie."},
        **_REDIRECT,
    },
)
@takes_any_query
async def finish_oidc(
    request: Request, services: ServicesDep, doors: DoorsDep, oidc: OidcDep, provider: str
) -> Response:
    """Complete a sign-in when the provider sends the browser back. The session is in the session cookie."""
    pending = oidc.pending.read(request)
    response: Response
    try:
        await _count(request, oidc)
        found, pending = _started(request, oidc, provider, pending)
        response = await _finish(request, services, doors, oidc, found, pending)
    except SignInFailed as failure:
        _log(provider, failure.failure, failure.reason)
        response = _failed(failure.failure, provider, pending)
    except StoreUnavailable as error:
        _log(provider, SignInFailure.UNAVAILABLE, error.code)
        response = _failed(SignInFailure.UNAVAILABLE, provider, pending)
    oidc.pending.clear(response)
    return response


def _failed(
    failure: SignInFailure, provider: str, pending: PendingSignIn | None
) -> RedirectResponse:
    if pending is None:
        return failed(failure, provider, "/")
    return failed(failure, provider, pending.next, connects=pending.session_id is not None)


def _started(
    request: Request, oidc: OidcServices, provider: str, pending: PendingSignIn | None
) -> tuple[IdentityProvider, PendingSignIn]:
    """The provider and the sign-in that a response belongs to."""
    found = oidc.providers.get(provider)
    if found is None:
        raise SignInFailed(SignInFailure.PROVIDER_UNKNOWN, "no provider has this name")
    if pending is None or pending.provider != provider:
        raise SignInFailed(SignInFailure.EXPIRED, "this browser did not start a sign-in")
    if not oidc.pending.is_state(pending, request.query_params.get("state", "")):
        raise SignInFailed(SignInFailure.EXPIRED, "the state is not that of this browser")
    return found, pending


async def _finish(
    request: Request,
    services: Services,
    doors: AuthServices,
    oidc: OidcServices,
    provider: IdentityProvider,
    pending: PendingSignIn,
) -> HTMLResponse:
    async with services.database.transaction() as tx:
        is_new = await queries.spend(tx, pending.digest, pending.expires_at)
    if not is_new:
        raise SignInFailed(SignInFailure.EXPIRED, "the sign-in has returned before")
    parameters = request.query_params
    # No transaction is open during calls to the provider.
    person = await provider.identify(
        AuthorizationResponse(
            parameters.get("code"), parameters.get("error"), parameters.get("iss")
        ),
        nonce=oidc.pending.nonce(pending),
        verifier=oidc.pending.verifier(pending),
    )
    try:
        if pending.session_id is not None:
            return await _connect(services, doors, provider, pending, pending.session_id, person)
        return await _open_session(request, services, doors, provider, pending, person)
    except SignInFailed as failure:
        entry = audit.new_entry(
            By(ActorKind.ANONYMOUS),
            Action.OIDC_REFUSED,
            AuditTarget(AuditTargetType.USER, None, person.email),
            after={"provider": provider.name, "reason": failure.failure.value},
        )
        await REFUSALS.get(request.app).record([entry], None)
        raise


async def _connect(
    services: Services,
    doors: AuthServices,
    provider: IdentityProvider,
    pending: PendingSignIn,
    session_id: UUID,
    identified: IdentifiedPerson,
) -> HTMLResponse:
    policy = Policy(provider.name, provider.settings)
    async with services.database.transaction() as tx:
        identity = await service.connect(tx, policy, identified, session_id)
        is_verified = await account_queries.is_verified(tx, identity.user_id)
    doors.authenticator.forget(identity.user_id)
    base_url = services.settings.base_url
    notice = notices.identity_connected(base_url, identity.email, provider=provider.label)
    doors.notices.send(identity.user_id, notice, is_verified=is_verified)
    log.info("identity_connected", provider=provider.name, user_id=str(identity.user_id))
    return continue_to(pending.next)


async def _open_session(
    request: Request,
    services: Services,
    doors: AuthServices,
    provider: IdentityProvider,
    pending: PendingSignIn,
    identified: IdentifiedPerson,
) -> HTMLResponse:
    policy = Policy(provider.name, provider.settings)
    async with services.database.transaction() as tx:
        opened = await service.sign_in(
            tx, services.settings, policy, identified, origin_of(request)
        )
        if not isinstance(opened, Refused):
            account = opened.account
            await doors.known_clients.remember(tx, account.id, account.email, client_of(request))
    if isinstance(opened, Refused):
        raise SignInFailed(opened.failure, opened.reason)
    doors.authenticator.forget(opened.account.id)
    log.info("signed_in", provider=provider.name, user_id=str(opened.account.id))
    response = continue_to(pending.next)
    doors.cookies.set(response, opened.session_id, expires_at=opened.expires_at)
    return response


async def _count(request: Request, oidc: OidcServices) -> None:
    if not (await hit_client(oidc.requests, client_of(request))).is_allowed:
        raise SignInFailed(SignInFailure.TOO_MANY_ATTEMPTS, "the client has sent too many requests")


async def _session(request: Request, doors: AuthServices) -> UUID:
    """The session of the cookie, for connecting an identity to its account."""
    value = doors.cookies.value_of(request)
    if value is not None:
        try:
            session_id = doors.cookies.session_of(value)
            doors.cookies.check_request(request, session_id)
            actor = await doors.authenticator.by_session(session_id)
        except StepIQError as error:
            raise SignInFailed(SignInFailure.SIGNED_OUT, error.code) from None
        if actor.session_id is not None:
            return actor.session_id
    raise SignInFailed(SignInFailure.SIGNED_OUT, "the request has no session cookie")


def _log(provider: str, failure: SignInFailure, reason: str) -> None:
    log.warning("sign_in_failed", provider=provider[:40], failure=failure.value, reason=reason)


@router.get("/user/identities", responses=problems(SessionRequired))
async def list_identities(caller: Person, read: Read, oidc: OidcDep) -> IdentitiesView:
    """The identities that can sign in to your account, oldest first."""
    _, password_hash = await accounts.with_password(read, caller)
    return IdentitiesView(
        data=[
            IdentityView(
                id=row.id,
                provider=row.provider,
                provider_name=oidc.label(row.provider),
                email=row.email,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                suspended=row.suspended_at is not None,
            )
            for row in await queries.of_user(read, caller.user_id)
        ],
        has_password=password_hash != NO_PASSWORD,
    )


@router.delete(
    "/user/identities/{identity_id}",
    responses=problems(SessionRequired, IdentityNotFound, LastSignInMethod),
)
async def disconnect_identity(
    caller: Person, tx: Tx, doors: DoorsDep, identity_id: UUID
) -> DisconnectedIdentityView:
    """Disconnect an identity from your account. Memberships that its groups give you end."""
    await service.disconnect(tx, caller, identity_id)
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    return DisconnectedIdentityView(id=identity_id)
