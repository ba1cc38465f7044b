"""Shapes of the state of the server in the API."""

from typing import Literal
from uuid import UUID

from stepiq.core.json import Json
from stepiq.core.settings.effective import SettingSource
from stepiq.queue.tickets import Queue
from stepiq.server.checks import Status
from stepiq.store.states import DeliveryStatus, RunStatus
from stepiq.web.bodies import Timestamp, View


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
