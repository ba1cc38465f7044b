"""Routes of the session of a browser, which is in a cookie that scripts cannot read."""

from fastapi import Request, Response

from stepiq.accounts import recorded, schemas, service
from stepiq.accounts.credentials.origin import client_of
from stepiq.accounts.errors import (
    Busy,
    CrossSiteRequest,
    LoginFailed,
    SessionRequired,
    TooManyAttempts,
)
from stepiq.accounts.http import DoorsDep, Person
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.signing_in import password, views
from stepiq.accounts.two_factor.service import TotpRequired, TotpWrong
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Tx

PATH = "/session"

public = new_router("Auth")
"""The route that needs no credential."""

router = new_router("Auth")


@public.post(
    PATH,
    responses=problems(
        LoginFailed, TotpRequired, TotpWrong, TooManyAttempts, Busy, CrossSiteRequest
    ),
)
async def open_session(
    request: Request,
    response: Response,
    services: ServicesDep,
    doors: DoorsDep,
    body: schemas.Login,
) -> schemas.BrowserSession:
    """Log in from a browser, with the limits of `/api/auth/login`. The session is in a cookie that scripts cannot read.

    Requests with the cookie and another method than GET or HEAD must send `csrf_token` in the `X-CSRF-Token` header. If a
    request has a credential in a header, the cookie is ignored.
    """
    doors.cookies.check_origin(request)
    opened = await password.sign_in(request, services, doors, body)
    doors.cookies.set(response, opened.session_id, expires_at=opened.expires_at)
    return schemas.BrowserSession(
        user=views.user_view(services, opened.account),
        csrf_token=doors.cookies.csrf_token(opened.session_id),
        expires_at=opened.expires_at,
    )


@router.get(PATH, responses=problems(SessionRequired))
async def read_session(
    request: Request, response: Response, caller: Person, services: ServicesDep, doors: DoorsDep
) -> schemas.BrowserSession:
    """The caller's account and session. A session in a cookie is extended to 30 days from now, at most once an hour."""
    async with services.database.reading() as read:
        account = await service.me(read, caller)
        current = await sessions.current(read, caller)
    if doors.cookies.value_of(request) is not None and current.is_due:
        async with services.database.transaction() as tx:
            current = await sessions.extend(tx, current)
            await doors.known_clients.remember(tx, account.id, account.email, client_of(request))
        doors.cookies.set(response, current.id, expires_at=current.expires_at)
    return schemas.BrowserSession(
        user=views.user_view(services, account),
        csrf_token=doors.cookies.csrf_token(current.id),
        expires_at=current.expires_at,
    )


@router.delete(PATH, responses=problems(SessionRequired))
async def end_session(
    request: Request, response: Response, caller: Person, tx: Tx, doors: DoorsDep
) -> schemas.SessionsEnded:
    """Log out: end the caller's session, and remove its cookie."""
    ended = await sessions.end(tx, caller, everywhere=False)
    await recorded.signed_out(tx, caller, ended=len(ended), everywhere=False)
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    if doors.cookies.value_of(request) is not None:
        doors.cookies.clear(response)
    return schemas.SessionsEnded(sessions_ended=len(ended))
