"""Health checks, at the root and without credentials."""

from typing import Literal

from fastapi import APIRouter, Request

from stepiq import __version__
from stepiq.core.errors import Unavailable
from stepiq.store.connections.faults import StoreFull
from stepiq.store.database import StoreUnavailable
from stepiq.web.bodies import View
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep

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
