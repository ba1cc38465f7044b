"""The HTTP app: the routes of all domains, with one guard, one check of credentials and one error format."""

import asyncio
from functools import cache

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from stepiq import __version__
from stepiq.accounts.administration import endpoints as administration
from stepiq.accounts.audit import endpoints as audit
from stepiq.accounts.audit.recording import EntryBatcher
from stepiq.accounts.device_login import endpoints as device_login
from stepiq.accounts.device_login.service import UserCodes
from stepiq.accounts.http import DOORS, AuthServices, authenticated, link_door
from stepiq.accounts.keys import endpoints as api_keys
from stepiq.accounts.oidc import endpoints as oidc
from stepiq.accounts.oidc.http import OIDC, OidcServices
from stepiq.accounts.recorded import REFUSALS
from stepiq.accounts.secrets import endpoints as secrets
from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.accounts.sessions import endpoints as sessions
from stepiq.accounts.signing_in import endpoints as accounts
from stepiq.accounts.two_factor import endpoints as two_factor
from stepiq.accounts.workspaces import endpoints as workspaces
from stepiq.accounts.workspaces import invitation_endpoints as invitations
from stepiq.billing import endpoints as billing
from stepiq.billing.administration import endpoints as workspace_plans
from stepiq.core import json
from stepiq.notify import endpoints as notify
from stepiq.notify.recipients import endpoints as recipients
from stepiq.notify.recipients.service import RecipientLinks
from stepiq.pipelines import catalogue, examples
from stepiq.pipelines import endpoints as pipelines
from stepiq.pipelines import secrets as pipeline_secrets
from stepiq.pipelines.drafts import endpoints as drafts
from stepiq.pipelines.references import resolve_slug
from stepiq.runs import endpoints as runs
from stepiq.runs import link_endpoints as run_links
from stepiq.runs.bulk import endpoints as bulk
from stepiq.runs.draft_runs import endpoints as draft_runs
from stepiq.runs.links import RunLinks
from stepiq.runs.operations import endpoints as operations
from stepiq.runs.reviews import endpoints as reviews
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.streams.listeners import Streams
from stepiq.server import health, metrics
from stepiq.server.admin import endpoints as admin
from stepiq.server.docs import json_schemas, pages
from stepiq.server.ui import pages as ui
from stepiq.triggers.schedules import endpoints as schedules
from stepiq.triggers.schedules.sync import ScheduleSync
from stepiq.triggers.webhooks import endpoints as webhooks
from stepiq.triggers.webhooks.inbox import Inbox
from stepiq.web import problems
from stepiq.web.guard import Guard
from stepiq.web.idempotency import IDEMPOTENCY, Idempotency
from stepiq.web.routing import PREFIX
from stepiq.web.services import SERVICES, Services

ROUTERS: tuple[APIRouter, ...] = (
    # Requests are compared with the routes in this order, so the route with the most requests is first.
    webhooks.router,
    accounts.auth,
    accounts.users,
    api_keys.router,
    sessions.router,
    workspaces.router,
    workspaces.members,
    invitations.router,
    api_keys.service_keys,
    oidc.router,
    device_login.router,
    administration.router,
    two_factor.router,
    two_factor.administration,
    admin.router,
    audit.router,
    billing.router,
    workspace_plans.router,
    pipelines.router,
    drafts.router,
    draft_runs.router,
    runs.router,
    operations.router,
    reviews.router,
    bulk.router,
    schedules.router,
    catalogue.router,
    examples.router,
    secrets.router,
    pipeline_secrets.router,
    notify.router,
    recipients.router,
)
"""Routers of the domains. All their routes require a credential."""


def create_app() -> FastAPI:
    """Create the app with all routes. They do not work until `equip` has been called."""
    app = FastAPI(
        title="stepIQ",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would use the host that the client sent. Behind a proxy, clients may not reach that host.
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(accounts.public, prefix=PREFIX)
    app.include_router(invitations.public, prefix=PREFIX)
    app.include_router(oidc.public, prefix=PREFIX)
    app.include_router(device_login.public, prefix=PREFIX)
    app.include_router(reviews.public, prefix=PREFIX)
    app.include_router(json_schemas.public, prefix=PREFIX)
    app.include_router(run_links.public, prefix=PREFIX)
    app.include_router(recipients.public, prefix=PREFIX)
    checks = [Depends(authenticated), Depends(resolve_slug)]
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX, dependencies=checks)
    problems.install(app)
    _serve_document(app)
    app.include_router(pages.router)
    app.include_router(ui.router())
    ui.serve_other_paths(app)
    app.add_middleware(VersionPrefix)
    app.add_middleware(Guard)
    return app


def equip(app: FastAPI, services: Services, *, has_worker: bool = True) -> None:
    """Set the services that the endpoints use, and whether this process also executes runs.

    Does not start or stop the services.
    """
    settings, plans = services.settings, services.plans
    doors = AuthServices.build(services)
    secrets = StoredSecrets(services.keyring)
    SERVICES.set(app, services)
    ui.BUNDLE.set(app, ui.installed())
    pages.CONTENTS.set(app, pages.contents(app.openapi, settings.base_url))
    health.HAS_WORKER.set(app, has_worker)
    DOORS.set(app, doors)
    REFUSALS.set(app, EntryBatcher(services.database))
    OIDC.set(app, OidcServices.build(services, doors.jwt_secret))
    codes = UserCodes(doors.jwt_secret)
    device_login.DEVICE_LOGINS.set(app, device_login.DeviceLoginServices.build(services, codes))
    IDEMPOTENCY.set(app, Idempotency(doors.jwt_secret))
    runs.STREAMS.set(app, Streams(services.changes))
    run_links.RUN_LINKS.set(app, link_door(services, "run links", RunLinks(settings).read))
    reviews.REVIEW_LINKS.set(app, link_door(services, "review links", ReviewLinks(settings).read))
    recipients.RECIPIENT_LINKS.set(
        app, link_door(services, "recipient links", RecipientLinks(settings).read)
    )
    pipelines.WATCHER.set(app, ScheduleSync(plans, settings))
    webhooks.INBOX.set(app, Inbox(services.database, services.changes, services.engine, secrets))


def operation_id(route: APIRoute) -> str:
    """The id of a route: its tag, then the name of its function without the words of the tag.

    Clients have a method for each id. With the tag "Runs", `cancel_run` becomes `runs_cancel`, the method
    `client.runs.cancel`. Renaming such a function is therefore a breaking change.
    """
    resource = "_".join(map(str, route.tags)).lower().replace(" ", "_")
    nouns = {noun for word in resource.split("_") for noun in (word, _singular(word))}
    verb = [word for word in route.name.split("_") if word not in nouns]
    return "_".join([resource, *verb])


def _singular(word: str) -> str:
    return word.removesuffix("ies") + "y" if word.endswith("ies") else word.removesuffix("s")


class VersionPrefix:
    """Routes `/v1/api/…` to `/api/…`. Both paths name the only API version."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/api/"):
            # In place, so that the guard sees the matched route.
            scope["root_path"] = "/v1"
        await self.app(scope, receive, send)


def _serve_document(app: FastAPI) -> None:
    app.openapi = lambda: _document(app)

    @cache
    def text() -> str:
        return json.dumps(app.openapi())

    async def openapi_document() -> Response:
        """The OpenAPI document."""
        # Building it takes most of a second. A thread keeps the event loop free for runs and other requests.
        return Response(await asyncio.to_thread(text), media_type="application/json")

    app.add_api_route("/openapi.json", openapi_document, include_in_schema=False)


def _document(app: FastAPI) -> dict[str, object]:
    from stepiq.server import openapi  # noqa: PLC0415 - loads the examples

    if app.openapi_schema is None:
        app.openapi_schema = openapi.document(app)
    return app.openapi_schema
