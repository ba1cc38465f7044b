"""Routes with which administrators watch the server. Only administrators with a session can use them."""

from typing import Any, Literal
from uuid import UUID

from stepiq.accounts.errors import AdminRequired, SessionRequired
from stepiq.accounts.http import Administrator
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.core.settings.effective import SettingSource, effective
from stepiq.queue import backlog
from stepiq.queue.backlog import MOST
from stepiq.queue.ticket import Queue
from stepiq.server import checks
from stepiq.server.admin import queries
from stepiq.server.checks import Status
from stepiq.store.states import DeliveryStatus, RunStatus
from stepiq.web.bodies import Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import MAX_LIMIT, Page
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read


class WorkerView(View):
    """A worker process."""

    name: str
    is_live: bool
    """Whether it holds its lease. Others take over the work of a worker that does not."""
    is_this_process: bool
    """Whether it is the process that answers this request."""
    runs: int
    """Runs that it executes."""
    deliveries: int
    """Deliveries that it sends."""


class WaitingTicketsView(View):
    """The tickets of one kind that no worker has claimed."""

    kind: Queue
    waiting: int
    oldest_seconds: float
    """Age of the oldest ticket. 0 if there is none."""


class QueuesView(View):
    """Everything that waits."""

    queues: list[WaitingTicketsView]
    held_runs: int
    """Runs that wait because their workspaces have as many active runs as their plans allow."""
    counted_up_to: int
    """Numbers above it are not counted exactly."""


class StuckRunView(View):
    """A run that makes no progress."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    status: RunStatus
    reason: Literal["overdue", "crashing", "waiting_for_worker", "not_woken"]
    """`overdue`: its time limit has passed. `crashing`: its worker died while it executed the run. `waiting_for_worker`: no worker
    has claimed it for a minute. `not_woken`: its wait ended more than a minute ago."""
    crashes: int
    created_at: Timestamp
    started_at: Timestamp | None
    deadline_at: Timestamp


class FailingDeliveryView(View):
    """A delivery that failed, or that is repeated."""

    id: UUID
    run_id: UUID | None
    """Null for a test event."""
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    target: Json
    """Type and address, with secrets masked."""
    status: DeliveryStatus
    attempts: int
    error: str | None
    created_at: Timestamp


class CheckView(View):
    """The result of a check of one part of the server."""

    name: str
    status: Status
    detail: str
    advice: str
    """What to do. Empty if there is nothing to do."""


class ServerHealthView(View):
    """The checks of `stepiq doctor` that call no other server."""

    ok: bool
    """Whether no check failed."""
    checks: list[CheckView]


class SettingView(View):
    """A setting as the process uses it."""

    name: str
    """Name of its environment variable, or of its entry in the config file."""
    source: SettingSource
    value: str | None
    """`set` in place of a secret. Null if it has no value."""
    is_secret: bool
    description: str


class SettingsView(View):
    """All settings of the process that answers this request."""

    settings: list[SettingView]


router = new_router("Server")

_REFUSALS: dict[int | str, dict[str, Any]] = problems(SessionRequired, AdminRequired)


def _page(items: list[Any]) -> Page[Any]:
    return Page(data=items, next_cursor=None)


def _shown(view: type[View], row: Any, **more: object) -> Any:
    return view.model_validate({**row._mapping, **more})


@router.get("/admin/workers", responses=_REFUSALS)
async def list_workers(
    _caller: Administrator, services: ServicesDep, read: Read
) -> Page[WorkerView]:
    """Worker processes that are live or hold work."""
    found = await services.engine.workers(read)
    return _page([WorkerView.model_validate(worker) for worker in found])


@router.get("/admin/queues", responses=_REFUSALS)
async def get_queues(_caller: Administrator, read: Read) -> QueuesView:
    """How many runs and deliveries wait, and for how long."""
    found = await backlog.read(read)
    waiting = [
        WaitingTicketsView(kind=kind, waiting=each.number, oldest_seconds=each.oldest_seconds)
        for kind, each in found.queues.items()
    ]
    return QueuesView(queues=waiting, held_runs=found.held_runs, counted_up_to=MOST)


@router.get("/admin/stuck-runs", responses=_REFUSALS)
async def list_stuck_runs(_caller: Administrator, read: Read) -> Page[StuckRunView]:
    """Up to 100 runs of all workspaces that make no progress, the oldest first."""
    rows = await queries.stuck_runs(read, clock.now(), MAX_LIMIT)
    return _page([_shown(StuckRunView, row, reason=reason) for row, reason in rows])


@router.get("/admin/failing-deliveries", responses=_REFUSALS)
async def list_failing_deliveries(_caller: Administrator, read: Read) -> Page[FailingDeliveryView]:
    """Up to 100 failed or repeated deliveries of all workspaces."""
    rows = await queries.failing_deliveries(read, MAX_LIMIT)
    return _page([_shown(FailingDeliveryView, row) for row in rows])


@router.get("/admin/health", responses=_REFUSALS)
async def check_server(_caller: Administrator, services: ServicesDep) -> ServerHealthView:
    """The results of the checks of `stepiq doctor` that call no other server."""
    found = await checks.of_running(services.settings)
    return ServerHealthView(
        ok=all(check.status is not Status.FAILED for check in found),
        checks=[CheckView.model_validate(check) for check in found],
    )


@router.get("/admin/settings", responses=_REFUSALS)
async def get_settings(_caller: Administrator, services: ServicesDep) -> SettingsView:
    """The settings of this process and where each comes from. Secrets are not shown."""
    found = effective(services.settings)
    return SettingsView(settings=[SettingView.model_validate(setting) for setting in found])
