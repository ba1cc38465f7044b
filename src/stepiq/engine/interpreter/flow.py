"""Walks through a sequence of steps, from its beginning: what is recorded is passed over, what is not is done.

A run that is taken up again is walked through anew. Its recorded executions say what came of each step and where it led, so
that the walk ends up where the run was, and goes on from there.
"""

import asyncio
from typing import assert_never

from stepiq.core import clock, logging
from stepiq.core.json import Text
from stepiq.engine import aside
from stepiq.engine.interpreter import branches, settling
from stepiq.engine.interpreter.attempts import keep_trying, make_work
from stepiq.engine.interpreter.course import MAX_ROWS, Frame, Parked, Stopped
from stepiq.engine.interpreter.jumps import STOP, follow
from stepiq.engine.interpreter.pauses import rest, review
from stepiq.engine.outcomes import (
    Ended,
    Failed,
    FailureCode,
    Skipped,
    Waiting,
)
from stepiq.engine.records import StepRecord
from stepiq.engine.steps import code, condition, llm, transform, webhook
from stepiq.engine.work import Work
from stepiq.language.expressions import ExpressionError
from stepiq.language.specs import (
    CodeSpec,
    ConditionSpec,
    LlmSpec,
    ParallelSpec,
    ReviewSpec,
    Step,
    TransformSpec,
    WaitSpec,
    WebhookSpec,
)
from stepiq.store.states import StepStatus


async def walk(frame: Frame) -> Stopped | Parked | None:
    """Walk to the end of a sequence; gives why it did not come to its end."""
    position = 0
    while position < len(frame.steps):
        step = frame.steps[position]
        with logging.bound(step_id=step.id):
            record = await _execute(frame, step)
        if not isinstance(record, StepRecord):
            return record
        if record.status is not StepStatus.SKIPPED:
            frame.output = frame.previous = record.output
        position = follow(frame, step, record)
    return None


async def _execute(frame: Frame, step: Step) -> StepRecord | Stopped | Parked:
    course = frame.course
    if (exhausted := frame.allowance.spend()) is not None:
        return Stopped(step.id, exhausted)
    course.executions[step.id, frame.branch] += 1
    iteration = course.executions[step.id, frame.branch]
    record = course.run.steps.get((step.id, frame.branch, iteration))
    # One that was stopped by its neighbour's failure, just before a crash, has not been done.
    if record is not None and record.status is StepStatus.CANCELLED:
        record.status, record.completed_at = StepStatus.PENDING, None
    if record is not None and record.is_final:
        return _pass_over(frame, step, record)
    if record is None:
        if len(course.run.steps) >= MAX_ROWS:
            return Stopped(step.id, _too_many())
        record = settling.new_record(frame, step, iteration)
    ended = course.too_late() or course.secrets.failure or await _perform(frame, step, record)
    if isinstance(ended, Waiting):
        return Parked(record, ended)
    failed = await settling.settle(frame, step, record, ended)
    return record if failed is None else Stopped(failed.origin or step.id, failed)


def _too_many() -> Failed:
    return Failed(
        FailureCode.STEP_LIMIT,
        f"The run has executed {MAX_ROWS:,} steps, items included, which is the maximum. Use fewer items, or start several "
        "runs.",
    )


def _pass_over(frame: Frame, step: Step, record: StepRecord) -> StepRecord | Stopped:
    course = frame.course
    course.count(record)
    course.output_bytes += Text.of(record.output).size_bytes
    frame.show(step.id, record)
    if isinstance(step.spec, ParallelSpec):
        branches.pass_over(frame, step, record)
    error = record.error
    if error is not None and record.jump == STOP:
        return Stopped(step.id, Failed(FailureCode(error["code"]), error["message"]))
    return record


async def _perform(frame: Frame, step: Step, record: StepRecord) -> Ended | Waiting:
    if step.condition is not None and record.attempts == 0:
        try:
            if not await aside.decide(step.condition, frame.scope):
                return Skipped()
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field="if")
    return await _do(frame, step, record)


async def _do(frame: Frame, step: Step, record: StepRecord) -> Ended | Waiting:
    spec = step.spec
    match spec:
        case TransformSpec():
            return await transform.evaluate(await _begin(frame, step, record), spec)
        case ConditionSpec():
            return await condition.evaluate(await _begin(frame, step, record), spec)
        case LlmSpec():
            return await keep_trying(frame, step, record, llm)
        case WebhookSpec():
            return await keep_trying(frame, step, record, webhook)
        case CodeSpec():
            return await keep_trying(frame, step, record, code)
        case ParallelSpec():
            return await branches.run(frame, step, record, spec, walk)
        case WaitSpec():
            return await rest(frame, step, record, spec)
        case ReviewSpec():
            return await review(frame, step, record, spec)
        case _:
            assert_never(spec)


async def _begin(frame: Frame, step: Step, record: StepRecord) -> Work:
    """Begin a step that only computes: nobody need know before it has."""
    record.attempts = 1
    record.started_at = clock.now()
    # What it does holds the loop; others get their turn between two of them.
    await asyncio.sleep(0)
    work, _ = make_work(frame, step, record)
    return work
