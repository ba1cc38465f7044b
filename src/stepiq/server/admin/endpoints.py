"""Routes with which administrators watch the server. Only administrators with a session can use them."""

from typing import Any

from stepiq.accounts.errors import AdminRequired, SessionRequired
from stepiq.accounts.http import Administrator
from stepiq.core import clock
from stepiq.core.settings.effective import effective
from stepiq.queue import backlog
from stepiq.queue.backlog import MOST
from stepiq.server import checks
from stepiq.server.admin import queries, schemas
from stepiq.server.checks import Status
from stepiq.web.bodies import View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import MAX_LIMIT, Page
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read

router = new_router("Server")

_REFUSALS: dict[int | str, dict[str, Any]] = problems(SessionRequired, AdminRequired)


def _page(items: list[Any]) -> Page[Any]:
    return Page(data=items, next_cursor=None)


def _shown(view: type[View], row: Any, **more: object) -> Any:
    return view.model_validate({**row._mapping, **more})


@router.get("/admin/workers", responses=_REFUSALS)
async def list_workers(
    _caller: Administrator, services: ServicesDep, read: Read
) -> Page[schemas.WorkerView]:
    """Worker processes that are live or hold work, in one page."""
    found = await services.engine.workers(read)
    return _page([schemas.WorkerView.model_validate(worker) for worker in found])


@router.get("/admin/queues", responses=_REFUSALS)
async def get_queues(_caller: Administrator, read: Read) -> schemas.QueuesView:
    """How many runs and deliveries wait, and for how long."""
    found = await backlog.read(read)
    waiting = [
        schemas.WaitingTicketsView(
            kind=kind, waiting=each.number, oldest_seconds=each.oldest_seconds
        )
        for kind, each in found.queues.items()
    ]
    return schemas.QueuesView(queues=waiting, held_runs=found.held_runs, counted_up_to=MOST)


@router.get("/admin/stuck-runs", responses=_REFUSALS)
async def list_stuck_runs(_caller: Administrator, read: Read) -> Page[schemas.StuckRunView]:
    """Up to 100 runs of all workspaces that make no progress, the oldest first."""
    rows = await queries.stuck_runs(read, clock.now(), MAX_LIMIT)
    return _page([_shown(schemas.StuckRunView, row, reason=reason) for row, reason in rows])


@router.get("/admin/failing-deliveries", responses=_REFUSALS)
async def list_failing_deliveries(
    _caller: Administrator, read: Read
) -> Page[schemas.FailingDeliveryView]:
    """Up to 100 deliveries that failed or are repeated, of the newest 1,000 of all workspaces."""
    rows = await queries.failing_deliveries(read, MAX_LIMIT)
    return _page([_shown(schemas.FailingDeliveryView, row) for row in rows])


@router.get("/admin/health", responses=_REFUSALS)
async def check_server(_caller: Administrator, services: ServicesDep) -> schemas.ServerHealthView:
    """The results of the checks of `stepiq doctor` that call no other server."""
    found = await checks.of_running(services.settings)
    return schemas.ServerHealthView(
        ok=all(check.status is not Status.FAILED for check in found),
        checks=[schemas.CheckView.model_validate(check) for check in found],
    )


@router.get("/admin/settings", responses=_REFUSALS)
async def get_settings(_caller: Administrator, services: ServicesDep) -> schemas.SettingsView:
    """The settings of this process and where each comes from. Secrets are not shown."""
    found = effective(services.settings)
    return schemas.SettingsView(
        settings=[schemas.SettingView.model_validate(setting) for setting in found]
    )
