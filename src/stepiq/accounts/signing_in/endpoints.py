"""Routes of accounts: register, log in with a token or in a browser, who am I."""

import hmac
from dataclasses import asdict
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Request, Response

from stepiq.accounts import recorded, schemas, service
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit.actions import Action, ActorKind
from stepiq.accounts.audit.records import By
from stepiq.accounts.authentication import disabling
from stepiq.accounts.credentials.origin import client_of, count_client, origin_of
from stepiq.accounts.credentials.tokens import ACCESS_LIFETIME
from stepiq.accounts.emails import verification
from stepiq.accounts.errors import (
    Busy,
    CredentialInvalid,
    CrossSiteRequest,
    EmailTaken,
    InvitationInvalid,
    LoginFailed,
    MemberRequired,
    PasswordWrong,
    RefreshExpired,
    RefreshReused,
    RefreshUnknown,
    RegistrationClosed,
    RegistrationInviteOnly,
    ResetInvalid,
    ScopeMissing,
    SessionEnded,
    SessionRequired,
    SetupRequired,
    TooManyAttempts,
    VerificationInvalid,
)
from stepiq.accounts.http import AuthServices, DoorsDep, MemberNeeds, Person
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.sessions.reauthentication import check_password
from stepiq.accounts.signing_in import password, registration, takeover
from stepiq.accounts.two_factor.service import TotpRequired, TotpWrong
from stepiq.core.json import Json
from stepiq.execution.limits import usage
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

public = new_router("Auth")
"""The routes that need no credential."""

auth = new_router("Auth")
users = new_router("Users")

SESSION_PATH = "/session"
"""The session of a browser, which is in a cookie that scripts cannot read."""

AccountReader = Annotated[Actor, Depends(MemberNeeds(Scope.ACCOUNT_READ))]


@public.post(
    "/auth/register",
    status_code=201,
    responses=problems(
        EmailTaken,
        SetupRequired,
        RegistrationClosed,
        RegistrationInviteOnly,
        InvitationInvalid,
        TooManyAttempts,
        Busy,
    ),
)
async def register(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.Registration
) -> schemas.SessionView:
    """Create an account and log in.

    The first account of a server is its administrator. It needs the setup token that `stepiq setup-token` prints.
    With an invitation, its address can register even if registration is closed.
    """
    client, settings = client_of(request), services.settings
    has_token = _is_setup_token(doors, body.setup_token)
    claim = registration.RegistrationClaim(
        body.email,
        has_token,
        has_wrong_token=body.setup_token is not None and not has_token,
        invitation=body.invitation,
    )
    async with services.database.reading() as read:
        invitation = await registration.check_registration(read, settings, claim)
    if not has_token:
        await count_client(doors.registrations, request)
    # Hashing takes long, and a transaction that waits for it would block all other writers.
    password_hash = await doors.passwords.hash(body.password, client=client)
    async with services.database.transaction() as tx:
        account = await registration.register(
            tx, settings, claim, name=body.name, password_hash=password_hash
        )
        opened = await service.open_session(tx, account.id, origin=origin_of(request))
        await doors.known_clients.remember(tx, account.id, account.email, client)
        await recorded.registered(tx, account, invitation)
        await recorded.signed_in(tx, opened, method="registration")
    if not account.email_verified:
        await doors.verification.send(account.id, account.email)
    return _session_view(services, doors, opened)


@public.post(
    "/auth/login",
    responses=problems(LoginFailed, TotpRequired, TotpWrong, TooManyAttempts, Busy),
)
async def login(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.Login
) -> schemas.SessionView:
    """Log in. The response does not reveal whether the address or the password is wrong.

    If the account has two-factor sign-in and the password is right, a request without `code` returns 401 `totp_required`.

    After ten failures within 15 minutes, attempts from the same address are refused for a while.
    """
    opened = await password.sign_in(request, services, doors, body)
    return _session_view(services, doors, opened)


@public.post(
    "/auth/refresh",
    responses=problems(RefreshUnknown, RefreshExpired, RefreshReused, SessionEnded),
)
async def refresh(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.Refresh
) -> schemas.SessionView:
    """Exchange a refresh token for an access token and the next refresh token.

    Each refresh token works once. A second use ends the session, because the token may have been copied.
    """
    async with services.database.transaction() as tx:
        outcome = await sessions.refresh(tx, body.refresh_token)
        if isinstance(outcome, service.SignedIn):
            account = outcome.account
            await doors.known_clients.remember(tx, account.id, account.email, client_of(request))
        else:
            by, action = By(ActorKind.ANONYMOUS), Action.SESSION_REFRESH_REUSED
            await recorded.on_session(tx, by, action, outcome.session_id)
    if isinstance(outcome, sessions.Reused):
        doors.authenticator.forget(outcome.session_id)
        raise RefreshReused
    return _session_view(services, doors, outcome)


@public.post("/auth/forgot-password", status_code=202)
async def forgot_password(
    request: Request, doors: DoorsDep, later: BackgroundTasks, body: schemas.ForgottenPassword
) -> schemas.PasswordResetRequested:
    """Send an email with a link to set a new password. The response is the same whether or not the account exists.

    The link works once, for one hour. An account gets at most three emails per hour.
    """

    async def ask() -> None:
        await doors.recovery.ask(body.email, client_of(request))

    later.add_task(ask)
    return schemas.PasswordResetRequested()


@public.post(
    "/auth/reset-password",
    response_model_exclude_none=True,
    responses=problems(ResetInvalid, Busy),
)
async def reset_password(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.NewPassword
) -> schemas.PasswordResetDone:
    """Set a new password with the token of a reset email.

    All sessions of the account end, and its personal API keys are revoked, in all workspaces. Service keys keep
    working. If the address was not verified, `ended` says what else has ended.
    """
    client = client_of(request)
    async with services.database.reading() as read:
        await takeover.check_reset(read, body.token)
    password_hash = await doors.passwords.hash(body.password, client=client, is_known=True)
    async with services.database.transaction() as tx:
        done = await takeover.reset_password(tx, body.token, new_hash=password_hash)
        await doors.known_clients.remember(tx, done.user_id, done.email, client)
        await recorded.by_link(
            tx,
            await service.user_named(tx, done.email),
            Action.PASSWORD_RESET,
            done.facts,
        )
    doors.authenticator.forget(done.user_id)
    await doors.logins.clear(done.email, client)
    ended = await _stop(services, doors, done)
    # The token was sent by email, or an administrator of the server has passed it on, so it proves the address. Only
    # after the runs are cancelled: if the process dies before, another reset cancels them.
    async with services.database.transaction() as tx:
        await verification.confirm(tx, done.user_id)
    return schemas.PasswordResetDone(
        sessions_ended=done.sessions_ended, api_keys_revoked=done.api_keys_revoked, ended=ended
    )


async def _stop(
    services: Services, doors: AuthServices, done: takeover.PasswordReset
) -> schemas.EndedByReset | None:
    """Forget what this process has cached of ended credentials, and cancel runs."""
    if done.ended is None:
        return None
    for workspace_id in done.workspaces:
        doors.authenticator.forget(workspace_id)
    cancelled = await disabling.cancel_runs_of(
        services.database, services.engine, done.own_workspaces
    )
    return schemas.EndedByReset(**asdict(done.ended), runs_cancelled=cancelled)


@public.post("/auth/verify-email", responses=problems(VerificationInvalid, TooManyAttempts))
async def verify_email(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.VerificationToken
) -> schemas.EmailVerificationView:
    """Verify an email address with the token of a verification email."""
    user_id = await doors.verification_links.admit(request, body.token)
    async with services.database.transaction() as tx:
        email = await verification.confirm(tx, user_id)
        user = await service.user_named(tx, email)
        await recorded.by_link(tx, user, Action.USER_EMAIL_VERIFIED)
    return schemas.EmailVerificationView(email=email, email_verified=True)


@auth.post(
    "/user/verify-email", status_code=202, responses=problems(SessionRequired, TooManyAttempts)
)
async def send_verification(
    caller: Person, services: ServicesDep, doors: DoorsDep
) -> schemas.EmailVerificationView:
    """Send another verification email, at most three per hour. Does nothing if the address is verified."""
    async with services.database.reading() as read:
        account = await service.me(read, caller)
    if not account.email_verified:
        decision = await doors.verification.send(account.id, account.email)
        if not decision.is_allowed:
            raise TooManyAttempts(decision.reset)
    return schemas.EmailVerificationView(email=account.email, email_verified=account.email_verified)


@auth.post("/auth/logout", responses=problems(SessionRequired))
async def logout(
    caller: Person, tx: Tx, doors: DoorsDep, body: schemas.Logout | None = None
) -> schemas.SessionsEnded:
    """End this session, or every session of the account with `all`. The server then refuses its tokens."""
    everywhere = body is not None and body.all
    ended = await sessions.end(tx, caller, everywhere=everywhere)
    await recorded.signed_out(tx, caller, ended=len(ended), everywhere=everywhere)
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    return schemas.SessionsEnded(sessions_ended=len(ended))


@auth.post(
    "/user/password", responses=problems(SessionRequired, PasswordWrong, TooManyAttempts, Busy)
)
async def change_password(
    request: Request,
    caller: Person,
    services: ServicesDep,
    doors: DoorsDep,
    body: schemas.PasswordChange,
) -> schemas.SessionsEnded:
    """Change the password, with the current one. All other sessions of the account end; its API keys remain."""
    checked = await check_password(
        request, services, doors, caller, body.current_password, field="current_password"
    )
    new_hash = await doors.passwords.hash(
        body.new_password, client=client_of(request), is_known=True
    )
    async with services.database.transaction() as tx:
        ended = await sessions.change_password(
            tx, caller, checked_hash=checked.stored, new_hash=new_hash
        )
        after: dict[str, Json] = {"sessions_ended": len(ended)}
        await recorded.on_self(tx, caller, Action.PASSWORD_CHANGED, after)
    doors.authenticator.forget(caller.user_id)
    return schemas.SessionsEnded(sessions_ended=len(ended))


@public.post(
    SESSION_PATH,
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
        user=_user_view(services, opened.account),
        csrf_token=doors.cookies.csrf_token(opened.session_id),
        expires_at=opened.expires_at,
    )


@auth.get(SESSION_PATH, responses=problems(SessionRequired))
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
        user=_user_view(services, account),
        csrf_token=doors.cookies.csrf_token(current.id),
        expires_at=current.expires_at,
    )


@auth.delete(SESSION_PATH, responses=problems(SessionRequired))
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


@users.get("/user/me", responses=problems(CredentialInvalid, ScopeMissing, MemberRequired))
async def me(caller: AccountReader, services: ServicesDep, read: Read) -> schemas.UserView:
    """The account of the credential, and the limits of the workspace's plan. A service key has no account."""
    return _user_view(services, await service.me(read, caller))


def _is_setup_token(doors: AuthServices, given: str | None) -> bool:
    expected = registration.setup_token(doors.jwt_secret)
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


def _session_view(
    services: Services, doors: AuthServices, opened: service.SignedIn
) -> schemas.SessionView:
    """A new session with its tokens."""
    return schemas.SessionView(
        user=_user_view(services, opened.account),
        token=doors.tokens.issue(opened.account.id, opened.session_id),
        refresh_token=opened.refresh_token,
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
    )


def _user_view(services: Services, account: service.Account) -> schemas.UserView:
    """An account, with the limits of the workspace's plan."""
    limits = dict(services.plans.get(account.plan).limits)
    return schemas.UserView(
        id=account.id,
        email=account.email,
        email_verified=account.email_verified,
        name=account.name,
        workspace=schemas.WorkspaceBrief(id=account.workspace_id, name=account.workspace_name),
        role=account.role,
        plan=account.plan,
        limits=limits,
        credits_remaining=usage.credits_remaining(
            limits["credits_per_month"], account.credit_tokens
        ),
        is_admin=account.is_admin,
        created_at=account.created_at,
    )
