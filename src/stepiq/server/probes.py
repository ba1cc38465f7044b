"""`/health`, `/ready` and `/metrics` of a worker without an API, on a separate port."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from stepiq.server import health, metrics
from stepiq.server.connections.http import answering
from stepiq.web import problems
from stepiq.web.guard import Guard
from stepiq.web.services import SERVICES, Services


def create_probes(services: Services) -> FastAPI:
    """The app on that port. Its responses are the same as those of the API."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(health.router)
    app.include_router(metrics.router)
    problems.install(app)
    app.add_middleware(Guard)
    SERVICES.set(app, services)
    health.HAS_WORKER.set(app, True)
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
    app, host, port = create_probes(services), settings.host, settings.worker_port
    async with answering(app, settings, host, port, "STEPIQ_WORKER_PORT") as address:
        yield address
