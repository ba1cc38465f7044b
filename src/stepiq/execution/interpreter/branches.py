"""Executes the branches of a step at the same time, and merges their outputs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from stepiq.core.concurrency.tasks import end
from stepiq.core.json import Json
from stepiq.execution.interpreter import recording
from stepiq.execution.interpreter.attempts import record_start
from stepiq.execution.interpreter.run_context import Allowance, Parked, SequenceState, Stopped
from stepiq.execution.outcomes import Completed, Failed, Fork, Outcome
from stepiq.execution.records.run import StepRecord
from stepiq.execution.scope import branch_state, inner_scope, state
from stepiq.language.definitions.compiled import every_step
from stepiq.language.definitions.step import Step
from stepiq.store.states import StepStatus

Walk = Callable[[SequenceState], Awaitable[Stopped | Parked | None]]


async def run(sequence: SequenceState, record: StepRecord, fork: Fork, walk: Walk) -> Outcome:
    """Execute all branches; recorded steps in them are replayed."""
    if record.attempts == 0:
        await record_start(sequence.run_context, record)
    root = f"{sequence.branch}/" if sequence.branch else ""
    paths = [f"{root}{index}" for index in range(len(fork.branches))]
    group = _Group(sequence, fork, paths, walk)
    await group.run()
    record.stopped_branches = group.stopped_branches
    # Applies even if the step tolerates failed branches: the time limit is the run's.
    if group.failed is None and (late := sequence.run_context.too_late()) is not None:
        return late
    if group.failed is not None:
        _cancel_rest(sequence, record)
        failed = group.failed.failed
        return Failed(failed.code, failed.message, origin=group.failed.step_id)
    if fork.state_names:
        sequence.scope["steps"].update(zip(fork.state_names, group.states, strict=True))
    return Completed(fork.merge([each["output"] for each in group.states]))


class _Group:
    """Executes branches concurrently. The first failure stops the others, unless the fork tolerates failures."""

    def __init__(
        self, sequence: SequenceState, fork: Fork, paths: Sequence[str], walk: Walk
    ) -> None:
        self.states: list[dict[str, Json]] = [state(StepStatus.PENDING)] * len(paths)
        self.failed: Stopped | None = None
        self.stopped_branches = 0
        self._sequence = sequence
        self._fork = fork
        self._paths = paths
        self._walk = walk
        self._tasks: list[asyncio.Task[None]] = []
        self._working = 0

    async def run(self) -> None:
        """Wait until all branches have ended, or until one has failed and the others have stopped."""
        waiting = iter(range(len(self._paths)))
        for _ in range(min(self._fork.max_concurrency, len(self._paths))):
            self._begin(asyncio.create_task(self._work(waiting)))
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await end(self._tasks)
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _begin(self, task: asyncio.Task[None]) -> None:
        # The parent only waits: the first task uses its place in the count of busy branches, the last one returns it.
        if self._working:
            self._sequence.run_context.sleepers.begin()
        self._working += 1
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._working -= 1
        if self._working:
            self._sequence.run_context.sleepers.done()

    async def _work(self, waiting: Iterator[int]) -> None:
        for index in waiting:
            await self._branch(index)
            if self.failed is not None:
                return

    async def _branch(self, index: int) -> None:
        branch, around = self._fork.branches[index], self._sequence
        sequence = SequenceState(
            run_context=around.run_context,
            steps=branch.steps,
            scope=inner_scope(around.scope, **branch.names),
            allowance=Allowance() if self._fork.counts_each else around.allowance,
            previous=branch.names.get("item", around.previous),
            branch=self._paths[index],
            items=", ".join(filter(None, (around.items, branch.item))),
        )
        stopped = await self._walk(sequence)
        assert not isinstance(stopped, Parked)  # noqa: S101 - waits inside a branch sleep in place
        if stopped is None:
            self.states[index] = state(StepStatus.COMPLETED, sequence.output)
            return
        error: Json = {"code": str(stopped.failed.code), "message": stopped.failed.message}
        self.states[index] = state(StepStatus.FAILED, error=error)
        if not self._fork.stops_at_failure:
            self.stopped_branches += not stopped.is_recorded
            # Otherwise, items that fail without a call would be written only at the end.
            await around.run_context.buffer.write_in_time()
        elif self.failed is None:
            self.failed = stopped
            current = asyncio.current_task()
            for task in self._tasks:
                if task is not current:
                    task.cancel()


def _cancel_rest(sequence: SequenceState, record: StepRecord) -> None:
    """Record the unfinished steps of the branches as cancelled."""
    run_context = sequence.run_context
    for inner in run_context.run.inside(record):
        if not inner.is_final:
            recording.cancelled(run_context, inner)


async def pass_over(sequence: SequenceState, step: Step, record: StepRecord) -> None:
    """Restore counters and states from the recorded steps inside a finished `parallel`."""
    run_context = sequence.run_context
    last: dict[str, StepRecord] = {}
    known = {inner.id for steps in step.sequences for inner in every_step(steps)}
    ids = _counted(step)
    for inner in run_context.run.inside(record):
        # A retry with a newer version can have records of steps that were elsewhere.
        if inner.step_id not in known:
            continue
        key = inner.step_id, inner.branch
        run_context.executions[key] = max(run_context.executions[key], inner.iteration)
        run_context.count(inner)
        run_context.count_output(inner)
        if inner.step_id in ids:
            sequence.allowance.spend()
        if inner.status is not StepStatus.SKIPPED:
            last[inner.branch] = inner
        await run_context.replayed()
    if record.status is StepStatus.COMPLETED:
        root = f"{sequence.branch}/" if sequence.branch else ""
        for index, branch in enumerate(step.spec.named_branches):
            sequence.scope["steps"][branch.id] = branch_state(last.get(f"{root}{index}"))


def _counted(step: Step) -> set[str]:
    """Ids of the steps inside a `parallel` that use the run's allowance; those inside a `for_each` do not."""
    found: set[str] = set()
    for branch in step.spec.named_branches:
        for inner in branch.steps:
            found |= {inner.id} | _counted(inner)
    return found
