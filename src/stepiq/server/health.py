"""Health checks, at the root and without credentials, and the app of a worker without an API, which has only them and metrics."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import APIRouter, FastAPI, Request

from stepiq import __version__
from stepiq.core.errors import Unavailable
from stepiq.server import metrics
from stepiq.server.connections.http import answering
from stepiq.server.connections.listening import bind
from stepiq.store.connections.faults import StoreFull
from stepiq.store.database import StoreUnavailable
from stepiq.web.bodies import View
from stepiq.web.guard import Guard
from stepiq.web.problems import install, problems
from stepiq.web.services import SERVICES, AppKey, Services, ServicesDep

router = APIRouter(tags=["Health"])

HAS_WORKER = AppKey[bool]("has_worker")
"""Whether the process also executes runs."""


class NotReady(Unavailable):
    """The process is starting or stopping, and does not execute runs."""

    code = "not_ready"


class Health(View):
    """The process is alive."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Readiness(View):
    """The process can execute runs or handle requests."""

    status: Literal["ready"] = "ready"
    store: Literal["ok"] = "ok"
    worker: Literal["ok", "elsewhere"] = "ok"
    """`elsewhere`: other processes execute runs."""


@router.get("/health")
async def check_health() -> Health:
    """Whether the process is alive. Nothing else is checked, so an outage of the database causes no restarts."""
    return Health()


@router.get("/ready", responses=problems(NotReady, StoreUnavailable, StoreFull))
async def check_readiness(request: Request, services: ServicesDep) -> Readiness:
    """Whether the database responds and the worker runs."""
    await services.database.ping()
    if not HAS_WORKER.get(request.app):
        return Readiness(worker="elsewhere")
    if not services.engine.is_ready:
        raise NotReady("The worker is not running: the server is starting or stopping.")
    return Readiness()


def create_probes(services: Services) -> FastAPI:
    """The app of a worker. Its responses are the same as those of the API."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(router)
    app.include_router(metrics.router)
    install(app)
    app.add_middleware(Guard)
    SERVICES.set(app, services)
    HAS_WORKER.set(app, True)
    return app


@asynccontextmanager
async def watched(services: Services) -> AsyncGenerator[str | None]:
    """Serve on `STEPIQ_WORKER_PORT` until the block ends. Yields the URL, or None if no port is set.

    Raises:
        AddressInUse, AddressUnusable: the process cannot listen there.
    """
    settings = services.settings
    if settings.worker_port is None:
        yield None
        return
    listener = bind(settings.host, settings.worker_port, "STEPIQ_WORKER_PORT")
    async with answering(create_probes(services), settings, listener) as address:
        yield address
