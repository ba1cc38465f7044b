"""Carries a run from where its journal ends to its end.

Steps run in order. One that only computes is settled together with its neighbours; one that reaches outside is
recorded before it starts and after it ends, so that a crash repeats at most that one.
"""

import asyncio
import random
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import assert_never
from uuid import UUID

from stepiq.core import clock, logging
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.engine import events
from stepiq.engine.definitions import Definitions
from stepiq.engine.journal import ClaimLost, Entry, Journal
from stepiq.engine.journal_rows import size_bytes
from stepiq.engine.masking import Masker, masked
from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.engine.protocols import SecretReader
from stepiq.engine.providers.registry import Providers
from stepiq.engine.records import ClaimedRun, Ending, StepRecord
from stepiq.engine.run_secrets import RunSecrets, read_secrets
from stepiq.engine.steps import llm, transform
from stepiq.engine.work import Speaker, Work, scope_of
from stepiq.language.definition import Definition, LlmSpec, Retry, Step, TransformSpec
from stepiq.store.changes import Changes
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.states import RunStatus, StepStatus

log = logging.get(__name__)

STEP_OUTPUT_BYTES = 1024 * 1024
"""Largest output of one step, as JSON."""
RUN_OUTPUT_BYTES = 16 * 1024 * 1024
"""Largest sum of all outputs of one run, as JSON."""

_SETTLE_TOGETHER = 20
_SETTLE_WITHIN = timedelta(milliseconds=100)
_JITTER = 0.2


@dataclass(slots=True)
class _Course:
    """A run on its way: what templates see, and what is done but not yet written."""

    run: ClaimedRun
    definition: Definition
    secrets: RunSecrets
    scope: dict[str, Json]
    entry: Entry = field(default_factory=Entry)
    oldest_unwritten: float = 0.0
    output_bytes: int = 0
    last_output: Json = None


class Executor:
    """Interprets definitions. It keeps nothing between runs."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        definitions: Definitions,
        providers: Providers,
        changes: Changes,
        secrets: SecretReader | None = None,
    ) -> None:
        self._database = database
        self._journal = journal
        self._definitions = definitions
        self._providers = providers
        self._changes = changes
        self._secrets = secrets

    async def carry(self, run_id: UUID, claims: MutableMapping[UUID, int] | None = None) -> None:
        """Take a run over and bring it to its end, or stop where another claim or a cancel says so.

        Args:
            run_id: which.
            claims: where the number of the claim is noted, by the run's id.

        Raises:
            StoreUnavailable: the journal cannot be written; calling again goes on from what it has.
            asyncio.CancelledError: the task was cancelled; a run that its user cancelled has been counted.
        """
        run = await self._journal.claim(run_id)
        if run is None:
            return
        if claims is not None:
            claims[run_id] = run.claim
        with logging.bound(run_id=str(run_id), claim=run.claim):
            log.info("run_started" if run.claim == 1 else "run_continued", recorded=len(run.steps))
            try:
                await self._carry_claimed(run)
            except ClaimLost:
                log.info("run_claim_lost")

    async def abandon(self, run_id: UUID, held: int | None = None) -> None:
        """End a run as failed through a fault of ours, whose details are in the log.

        Args:
            run_id: which.
            held: the claim under which it happened, if there was one; under a newer claim nothing is at fault.
        """
        run = await self._journal.claim(run_id, held)
        if run is None:
            return
        error: dict[str, Json] = {
            "code": str(FailureCode.INTERNAL),
            "message": "stepIQ failed to carry this run on. Its operator finds the reason in the "
            f"server's log under run_id {run_id}.",
            "step_id": None,
        }
        entry = Entry(ending=Ending(RunStatus.FAILED, error=error))
        for record in run.steps.values():
            if record.completed_at is None:
                record.status = StepStatus.FAILED
                record.completed_at = clock.now()
                record.error = {"code": error["code"], "message": error["message"]}
                error["step_id"] = record.step_id
                entry.add(record, _ended_event(record))
        await self._journal.write(run, entry)

    async def _carry_claimed(self, run: ClaimedRun) -> None:
        definition = await self._definition(run)
        secrets = await read_secrets(
            self._database, self._secrets, self._providers, run, definition
        )
        course = _Course(run, definition, secrets, scope_of(run, definition, secrets))
        for record in run.steps.values():
            course.output_bytes += size_bytes(record.output)
        try:
            ending = await self._interpret(course)
            course.entry.ending = ending
            await self._write(course)
        except (asyncio.CancelledError, ClaimLost):
            await self._count_unwritten(run)
            raise
        # The message may quote a model, and the log holds no outputs.
        error = None if ending.error is None else ending.error["code"]
        log.info("run_ended", status=str(ending.status), error=error)

    async def _count_unwritten(self, run: ClaimedRun) -> None:
        # A cancel may come while a step is in flight, and also between a step's end and its record.
        for record in run.steps.values():
            if record.meter == record.stored_meter:
                continue
            try:
                await self._journal.count_cancelled(run, record)
            except StoreUnavailable:
                # Must not take the place of the cancel, which a stopping server waits for.
                log.warning("cancelled_step_not_counted", step_id=record.step_id)

    async def _definition(self, run: ClaimedRun) -> Definition:
        if (found := self._definitions.kept(run.pipeline_id, run.pipeline_version)) is not None:
            return found
        async with self._database.reading() as session:
            return await self._definitions.get(session, run.pipeline_id, run.pipeline_version)

    async def _interpret(self, course: _Course) -> Ending:
        for step in course.definition.steps:
            record = course.run.steps.get(step.id)
            if record is None or record.status is not StepStatus.COMPLETED:
                record, failed = await self._settle(course, step, record)
                if failed is not None:
                    return _failed_at(record, failed)
            course.last_output = record.output
        return Ending(RunStatus.COMPLETED, output=self._output(course))

    def _output(self, course: _Course) -> Json:
        wanted = course.definition.output_from
        return course.last_output if wanted is None else course.run.steps[wanted].output

    async def _settle(
        self, course: _Course, step: Step, found: StepRecord | None
    ) -> tuple[StepRecord, Failed | None]:
        record = found or _new_record(course.run, step)
        course.run.steps[step.id] = record
        with logging.bound(step_id=step.id):
            outcome = (
                self._too_late(course)
                or course.secrets.failure
                or await self._perform(course, step, record)
            )
            outcome = self._fitting(course, step, await _mask(outcome, course.secrets.masker))
        record.completed_at = clock.now()
        record.started_at = record.started_at or record.completed_at
        failed: Failed | None = None
        match outcome:
            case Completed(output):
                record.status = StepStatus.COMPLETED
                record.output = output
            case Failed():
                failed = outcome
                record.status = StepStatus.FAILED
                record.error = {"code": str(outcome.code), "message": outcome.message}
            case _:
                assert_never(outcome)
        course.scope["steps"][step.id] = {"status": str(record.status), "output": record.output}
        course.entry.add(record, _ended_event(record))
        if failed is None:
            # A failed step is written together with the end of the run, so that no crash comes between the two.
            await self._write_in_time(course)
        return record, failed

    def _too_late(self, course: _Course) -> Failed | None:
        if clock.now() < course.run.deadline_at:
            return None
        limit = course.definition.timeout.total_seconds()
        return Failed(
            FailureCode.RUN_TIMEOUT,
            f"The run took longer than the pipeline's timeout_seconds ({limit:g}).",
        )

    def _fitting(self, course: _Course, step: Step, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Completed):
            return outcome
        size = size_bytes(outcome.output)
        if size > STEP_OUTPUT_BYTES:
            return Failed(
                FailureCode.OUTPUT_TOO_LARGE,
                f"The output of step `{step.id}` is {size:,} bytes; the most is {STEP_OUTPUT_BYTES:,}.",
            )
        course.output_bytes += size
        if course.output_bytes > RUN_OUTPUT_BYTES:
            return Failed(
                FailureCode.OUTPUT_TOO_LARGE,
                f"With step `{step.id}` the outputs of this run exceed {RUN_OUTPUT_BYTES:,} bytes.",
            )
        return outcome

    async def _perform(self, course: _Course, step: Step, record: StepRecord) -> Outcome:
        work, speaker = self._work(course, step, record)
        spec = step.spec
        match spec:
            case TransformSpec():
                record.attempts = 1
                record.started_at = clock.now()
                # Rendering holds the loop; others get their turn between two of them.
                await asyncio.sleep(0)
                return transform.evaluate(work, spec)
            case LlmSpec():
                return await self._try(course, work, spec, speaker)
            case _:
                assert_never(spec)

    def _work(self, course: _Course, step: Step, record: StepRecord) -> tuple[Work, Speaker]:
        masker = course.secrets.masker
        speaker = Speaker(self._changes, course.run.id, record, masker)

        def note(level: str, message: str) -> None:
            line = events.step_log(step.id, record.iteration, level, masker.text(message))
            course.entry.news.append(line)

        work = Work(
            run=course.run,
            step=step,
            record=record,
            scope=course.scope,
            providers=self._providers,
            secrets=course.secrets,
            speak=speaker.speak,
            note=note,
        )
        return work, speaker

    async def _try(self, course: _Course, work: Work, spec: LlmSpec, speaker: Speaker) -> Outcome:
        step, record = work.step, work.record
        while True:
            question = await llm.prepare(work, spec)
            await self._record_start(course, record)
            if isinstance(question, Failed):
                return question
            outcome = await self._attempt(course, work, spec, question)
            speaker.flush()
            if isinstance(outcome, Completed):
                return outcome
            record.failures += 1
            if not outcome.is_retryable or record.failures >= step.retry.max_attempts:
                return outcome
            pause = pause_before_retry(step.retry, record.failures, outcome.retry_after)
            work.note(
                "warning",
                f"Attempt {record.attempts} failed: {outcome.message} "
                f"The next one starts in {pause.total_seconds():.1f} s.",
            )
            course.entry.steps.append(record)
            await self._write(course)
            left = course.run.deadline_at - clock.now()
            await asyncio.sleep(max(0.0, min(pause, left).total_seconds()))
            if (late := self._too_late(course)) is not None:
                return late

    async def _record_start(self, course: _Course, record: StepRecord) -> None:
        record.attempts += 1
        record.status = StepStatus.RUNNING
        record.started_at = record.started_at or clock.now()
        started = events.step_status(
            StepStatus.RUNNING,
            record.step_id,
            record.iteration,
            attempt=record.attempts,
            name=record.name,
            type=record.type,
            model=record.model,
        )
        course.entry.add(record, started)
        await self._write(course)

    async def _attempt(
        self, course: _Course, work: Work, spec: LlmSpec, question: llm.Question
    ) -> Outcome:
        left = course.run.deadline_at - clock.now()
        allowed = min(work.step.timeout, left).total_seconds()
        try:
            async with asyncio.timeout(max(0.0, allowed)):
                return await llm.attempt(work, spec, question)
        except TimeoutError:
            if work.step.timeout < left:
                seconds = work.step.timeout.total_seconds()
                return Failed(
                    FailureCode.STEP_TIMEOUT,
                    f"Step `{work.step.id}` took longer than its timeout_seconds ({seconds:g}).",
                    is_retryable=work.step.retry.on_timeout,
                )
            return Failed(
                FailureCode.RUN_TIMEOUT,
                "The run took longer than the pipeline's timeout_seconds "
                f"({course.definition.timeout.total_seconds():g}).",
            )

    async def _write_in_time(self, course: _Course) -> None:
        # What is done waits a moment for what comes next: the start of the next step or the end of the run.
        now = asyncio.get_running_loop().time()
        if len(course.entry.steps) == 1:
            course.oldest_unwritten = now
        overdue = now - course.oldest_unwritten > _SETTLE_WITHIN.total_seconds()
        if overdue or len(course.entry.steps) >= _SETTLE_TOGETHER:
            await self._write(course)

    async def _write(self, course: _Course) -> None:
        entry, course.entry = course.entry, Entry()
        await self._journal.write(course.run, entry)


def pause_before_retry(retry: Retry, failures: int, retry_after: timedelta | None) -> timedelta:
    """How long to wait after the n-th failure.

    What the other side asked for, else `backoff * factor ** (n - 1)` up to `max_backoff`, give or take 20 % so that
    many runs don't come back at once.
    """
    if retry_after is not None:
        return retry_after
    grown = retry.backoff * min(retry.factor ** (failures - 1), 1e6)
    return min(grown, retry.max_backoff) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - not a secret


async def _mask(outcome: Outcome, masker: Masker) -> Outcome:
    """The outcome as it is recorded, and as later steps see it: the same before and after a crash."""
    if isinstance(outcome, Completed):
        size = 0 if masker.is_empty else size_bytes(outcome.output)
        return Completed(await masked(masker.value, outcome.output, size))
    return replace(outcome, message=masker.text(outcome.message))


def _new_record(run: ClaimedRun, step: Step) -> StepRecord:
    return StepRecord(
        id=uuid7(),
        step_id=step.id,
        name=step.name,
        type=str(step.type),
        ordinal=run.next_ordinal,
    )


def _ended_event(record: StepRecord) -> events.Event:
    meter = record.meter
    facts: dict[str, Json] = {
        "name": record.name,
        "type": record.type,
        "attempts": record.attempts,
        "duration_ms": _duration_ms(record),
    }
    if record.model is not None:
        facts |= {
            "model": record.model,
            "input_tokens": meter.input_tokens,
            "cached_tokens": meter.cached_tokens,
            "output_tokens": meter.output_tokens,
            "cost_usd_micros": meter.cost_usd_micros if meter.cost_complete else None,
        }
    if record.error is not None:
        facts["error"] = record.error
    return events.step_status(record.status, record.step_id, record.iteration, **facts)


def _duration_ms(record: StepRecord) -> int:
    ended = record.completed_at or clock.now()
    return round((ended - (record.started_at or ended)) / timedelta(milliseconds=1))


def _failed_at(record: StepRecord, failed: Failed) -> Ending:
    error: dict[str, Json] = {
        "code": str(failed.code),
        "message": failed.message,
        "step_id": record.step_id,
    }
    return Ending(RunStatus.FAILED, error=error)
