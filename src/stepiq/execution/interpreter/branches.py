"""Runs the branches of a `parallel` step at the same time, and puts together what they give."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.execution.interpreter import recording
from stepiq.execution.interpreter.attempts import record_start
from stepiq.execution.interpreter.jumps import STOP
from stepiq.execution.interpreter.run_context import Allowance, Parked, SequenceState, Stopped
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.execution.records import StepRecord
from stepiq.execution.scope import inner_scope, state
from stepiq.language import offload
from stepiq.language.data import is_array, kind_of
from stepiq.language.definition import every_step
from stepiq.language.expressions import ExpressionError
from stepiq.language.specs import BranchError, Merge, ParallelSpec, Step
from stepiq.store.states import StepStatus

MAX_ITEMS = 10_000
"""Most items that one `for_each` takes."""

Walk = Callable[[SequenceState], Awaitable[Stopped | Parked | None]]


@dataclass(frozen=True, slots=True)
class _Lane:
    """One branch: its place, its steps, and what only it sees."""

    path: str
    item: str
    """Its item in words; empty for a branch that is written out."""
    steps: tuple[Step, ...]
    names: dict[str, Json]


async def run(
    sequence: SequenceState, step: Step, record: StepRecord, spec: ParallelSpec, walk: Walk
) -> Outcome:
    """Run all branches; those that are recorded are only passed over."""
    lanes = await _lanes(sequence, step, spec)
    if isinstance(lanes, Failed):
        return lanes
    if record.attempts == 0:
        await record_start(sequence.run_context, record)
    group = _Group(sequence, spec, lanes, walk)
    await group.run()
    # Also where branches may fail: the run's time is not theirs.
    if group.failed is None and (late := sequence.run_context.too_late()) is not None:
        return late
    if group.failed is not None:
        _cancel_rest(sequence, lanes)
        failed = group.failed.failed
        return Failed(failed.code, failed.message, origin=group.failed.step_id)
    if spec.branches:
        names = [branch.id for branch in spec.branches]
        sequence.scope["steps"].update(zip(names, group.states, strict=True))
    return Completed(_merge(spec, [each["output"] for each in group.states]))


class _Group:
    """Branches at work. The first that fails stops the others, unless the step says otherwise."""

    def __init__(
        self, sequence: SequenceState, spec: ParallelSpec, lanes: list[_Lane], walk: Walk
    ) -> None:
        self.states: list[dict[str, Json]] = [state(StepStatus.PENDING)] * len(lanes)
        self.failed: Stopped | None = None
        self._frame = sequence
        self._spec = spec
        self._lanes = lanes
        self._walk = walk
        self._tasks: list[asyncio.Task[None]] = []
        self._working = 0

    async def run(self) -> None:
        """Run to the end of all, or until one has failed and the others have stopped."""
        waiting = iter(range(len(self._lanes)))
        for _ in range(min(self._spec.max_concurrency, len(self._lanes))):
            self._begin(asyncio.create_task(self._work(waiting)))
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await self._stop()
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _begin(self, task: asyncio.Task[None]) -> None:
        # The first one takes over from whoever waits for all of them, and the last one hands back to it.
        if self._working:
            self._frame.run_context.sleepers.begin()
        self._working += 1
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._working -= 1
        if self._working:
            self._frame.run_context.sleepers.done()

    async def _work(self, waiting: Iterator[int]) -> None:
        for index in waiting:
            await self._branch(index)
            if self.failed is not None:
                return

    async def _branch(self, index: int) -> None:
        lane, around = self._lanes[index], self._frame
        sequence = SequenceState(
            run_context=around.run_context,
            steps=lane.steps,
            scope=inner_scope(around.scope, **lane.names),
            allowance=Allowance() if self._spec.for_each else around.allowance,
            previous=lane.names.get("item", around.previous),
            branch=lane.path,
            items=", ".join(filter(None, (around.items, lane.item))),
        )
        stopped = await self._walk(sequence)
        assert not isinstance(stopped, Parked)  # noqa: S101 - who waits in a branch sleeps where it is
        if stopped is None:
            self.states[index] = state(StepStatus.COMPLETED, sequence.output)
            return
        error: Json = {"code": str(stopped.failed.code), "message": stopped.failed.message}
        self.states[index] = state(StepStatus.FAILED, error=error)
        if self._spec.on_branch_error is BranchError.FAIL and self.failed is None:
            self.failed = stopped
            current = asyncio.current_task()
            for task in self._tasks:
                if task is not current:
                    task.cancel()

    async def _stop(self) -> None:
        """Have nothing of it go on; also when this is cancelled while it waits for that."""
        for task in self._tasks:
            task.cancel()
        while unfinished := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(unfinished)


async def _lanes(sequence: SequenceState, step: Step, spec: ParallelSpec) -> list[_Lane] | Failed:
    root = f"{sequence.branch}/" if sequence.branch else ""
    if spec.for_each is None:
        return [
            _Lane(f"{root}{index}", "", branch.steps, {})
            for index, branch in enumerate(spec.branches)
        ]
    try:
        items = await offload.evaluate(spec.for_each, sequence.scope)
    except ExpressionError as error:
        return Failed(FailureCode(error.code), error.message, field="for_each")
    if not is_array(items):
        return Failed(
            FailureCode.INPUT_INVALID,
            f"The value must be a list, but it is {kind_of(items)}.",
            field="for_each",
        )
    if len(items) > MAX_ITEMS:
        return Failed(
            FailureCode.INPUT_INVALID,
            f"The list has {len(items):,} items, but the maximum is {MAX_ITEMS:,}. Split the list over several runs.",
            field="for_each",
        )
    return [
        _Lane(f"{root}{index}", f"item {index}", spec.body, {"item": item, "index": index})
        for index, item in enumerate(items)
    ]


def _cancel_rest(sequence: SequenceState, lanes: list[_Lane]) -> None:
    """Take down as cancelled what was under way in the branches."""
    paths = {lane.path for lane in lanes}
    for record in list(sequence.run_context.run.steps.values()):
        if not record.is_final and _head(record.branch, sequence.branch) in paths:
            recording.cancelled(sequence.run_context, record)


def _head(branch: str, around: str) -> str:
    """The branch right below `around` that a branch is, or is inside of."""
    skipped = around.count("/") + 2 if around else 1
    return "/".join(branch.split("/")[:skipped])


def pass_over(sequence: SequenceState, step: Step, record: StepRecord) -> None:
    """Take notice of what happened inside a `parallel` that is over."""
    assert isinstance(step.spec, ParallelSpec)  # noqa: S101 - only these have an inside
    run_context = sequence.run_context
    following = run_context.run.steps.get((step.id, sequence.branch, record.iteration + 1))
    inside = _inside(sequence, step, record, None if following is None else following.ordinal)
    last: dict[str, StepRecord] = {}
    ids = _counted(step)
    for inner in inside:
        key = inner.step_id, inner.branch
        run_context.executions[key] = max(run_context.executions[key], inner.iteration)
        run_context.count(inner)
        run_context.output_bytes += json.Text.of(inner.output).size_bytes
        if inner.step_id in ids:
            sequence.allowance.spend()
        if inner.status is not StepStatus.SKIPPED:
            last[inner.branch] = inner
    if record.status is StepStatus.COMPLETED:
        root = f"{sequence.branch}/" if sequence.branch else ""
        for index, branch in enumerate(step.spec.branches):
            sequence.scope["steps"][branch.id] = _recorded_state(last.get(f"{root}{index}"))


def _counted(step: Step) -> set[str]:
    """Steps inside a `parallel` that count as the run's: not those that are done for items."""
    if not isinstance(step.spec, ParallelSpec) or step.spec.for_each is not None:
        return set()
    found: set[str] = set()
    for branch in step.spec.branches:
        for inner in branch.steps:
            found |= {inner.id} | _counted(inner)
    return found


def _recorded_state(last: StepRecord | None) -> dict[str, Json]:
    if last is None:
        return state(StepStatus.COMPLETED)
    if last.jump == STOP:
        return state(StepStatus.FAILED, error=last.error)
    return state(StepStatus.COMPLETED, last.output)


def _inside(
    sequence: SequenceState, step: Step, record: StepRecord, before: int | None
) -> list[StepRecord]:
    ids = {inner.id for sequence in step.sequences for inner in every_step(sequence)}
    root = f"{sequence.branch}/" if sequence.branch else ""
    found = [
        inner
        for inner in sequence.run_context.run.steps.values()
        if inner.step_id in ids
        and inner.branch.startswith(root)
        and inner.ordinal > record.ordinal
        and (before is None or inner.ordinal < before)
    ]
    return sorted(found, key=lambda inner: inner.ordinal)


def _merge(spec: ParallelSpec, outputs: list[Json]) -> Json:
    match spec.merge:
        case Merge.ARRAY:
            return outputs
        case Merge.TEXT:
            return "\n\n".join(_text(output) for output in outputs if output is not None)
        case Merge.OBJECT:
            names = [branch.id for branch in spec.branches] or map(str, range(len(outputs)))
            return dict(zip(names, outputs, strict=True))


def _text(output: Json) -> str:
    return output if isinstance(output, str) else json.dumps(output)
