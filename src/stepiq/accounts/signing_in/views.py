"""Accounts and sessions as the API shows them."""

from stepiq.accounts import schemas, service
from stepiq.accounts.credentials.tokens import ACCESS_LIFETIME
from stepiq.accounts.http import AuthServices
from stepiq.execution.limits import usage
from stepiq.web.services import Services


def session_view(
    services: Services, doors: AuthServices, opened: service.SignedIn
) -> schemas.SessionView:
    """A new session with its tokens."""
    return schemas.SessionView(
        user=user_view(services, opened.account),
        token=doors.tokens.issue(opened.account.id, opened.session_id),
        refresh_token=opened.refresh_token,
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
    )


def user_view(services: Services, account: service.Account) -> schemas.UserView:
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
