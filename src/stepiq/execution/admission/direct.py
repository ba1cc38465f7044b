"""Claims runs in the transaction that accepts them, for the worker of the same process, if it has room.

Such a run needs no ticket: no other transaction, no poll and no read of what the process knows already.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from stepiq.core import clock
from stepiq.execution.records import events as run_events
from stepiq.execution.records.events import Event
from stepiq.execution.records.run import NOTHING, ClaimedRun, NewRun
from stepiq.store.states import RunStatus


class OwnWorker(Protocol):
    """The worker of this process."""

    @property
    def worker_name(self) -> str: ...

    def room(self) -> int:
        """How many more runs it can begin now."""
        ...

    def begin(self, run: ClaimedRun) -> None:
        """Begin a run that is claimed for it. Call it after the commit."""
        ...


class CountedRuns(NamedTuple):
    """Runs of one workspace that were counted in, and its counters after that."""

    runs: Sequence[NewRun]
    unfinished: int
    held: int
    """Held runs of the workspace. No run overtakes a held one, even after the plan was raised: these are the newest."""
    has_waiting: bool
    """Whether runs of any workspace wait for a worker."""

    @property
    def slots(self) -> int:
        """How many of these runs got a slot."""
        return len(self.runs) - min(len(self.runs), self.held)


def claim(
    worker: OwnWorker, entries: Sequence[CountedRuns], now: datetime
) -> dict[UUID, ClaimedRun]:
    """Claim runs that have a slot, as many as the worker has room for. None overtakes a run that has a ticket."""
    if any(entry.has_waiting for entry in entries):
        return {}
    with_slots = chain.from_iterable(entry.runs[: entry.slots] for entry in entries)
    # A retry continues from steps that its claim reads.
    wanted = [run for run in with_slots if run.reuse is NOTHING]
    return {run.id: _claimed(run, now) for run in wanted[: worker.room()]}


def _claimed(run: NewRun, now: datetime) -> ClaimedRun:
    return ClaimedRun(
        id=run.id,
        workspace_id=run.workspace_id,
        pipeline_id=run.pipeline_id,
        pipeline_version=run.pipeline_version,
        trigger_type=run.trigger_type,
        input_data=run.input_data,
        claim=1,
        started_at=now,
        created_at=run.created_at,
        deadline_at=run.created_at + run.timeout,
        own_keys=sorted(run.own_keys),
        only_step=run.only_step,
        caller_id=run.caller and run.caller.id,
        parent=run.parent,
    )


def columns(claimed: ClaimedRun | None, worker: OwnWorker | None) -> dict[str, Any]:
    """The columns of a new run that depend on whether it is claimed."""
    if claimed is None or worker is None:
        status, claim, started_at, executor = RunStatus.PENDING, 0, None, None
    else:
        status, claim, started_at = RunStatus.RUNNING, claimed.claim, claimed.started_at
        executor = worker.worker_name
    return {
        "status": status,
        "claim": claim,
        "is_claimed": claimed is not None,
        "executor": executor,
        "started_at": started_at,
        "last_seq": len(events(claimed)),
    }


def events(claimed: ClaimedRun | None) -> list[Event]:
    """The first events of a new run."""
    found: list[Event] = [run_events.run_status(RunStatus.PENDING)]
    if claimed is not None:
        started_at = clock.iso(claimed.started_at)
        found.append(run_events.run_status(RunStatus.RUNNING, started_at=started_at))
    return found
