"""Rollups and counters say exactly what runs and steps say, whatever happens to the runs."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from stepiq.core import clock as core_clock
from stepiq.core.ids import uuid7
from stepiq.execution.admission.errors import RunNotCancellable
from stepiq.execution.journal.writing import ClaimLost, Ending, JournalEntry
from stepiq.execution.limits import usage
from stepiq.execution.limits.runs import next_month, tomorrow
from stepiq.execution.limits.usage import Meter, Tally
from stepiq.execution.records import events
from stepiq.execution.records.run import ClaimedRun, NewRun, RunCaller, StepRecord
from stepiq.providers.base import Usage
from stepiq.store.states import CallerType, RunStatus, StepStatus, TriggerType
from stepiq.store.tables import run_steps, runs, usage_caller_days, usage_days, workspaces
from tests.support.engine import Limits, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.stores import on_sqlite

QUICK = "name: T\nsteps: [{id: t, type: transform, template: x}]"
ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x}]"
TWICE = (
    "name: Twice\nsteps: [{id: one, model: openai/gpt-4o-mini, prompt: x},"
    " {id: two, model: ollama/llama3, prompt: x}, {id: three, model: openai/gpt-4o-mini, prompt: x}]"
)
TOKENS = ("input_tokens", "cached_tokens", "output_tokens")
MODELS = ("openai/a", "local/b", "openai/c")
_EVENT = events.step_log(events.execution("s", "", 1), "info", "Something happened.")


class TestRollups:
    async def test_a_run_counts_under_its_day_pipeline_and_each_model_once(self, world: World):
        ended = await world.run(TWICE)

        rows = {row.model: row for row in await _rows(world)}
        assert set(rows) == {"", "openai/gpt-4o-mini", "ollama/llama3"}
        assert (rows[""].runs, rows[""].runs_completed, rows[""].input_tokens) == (1, 1, 0)
        both = ended.steps["one"], ended.steps["three"]
        paid, free = rows["openai/gpt-4o-mini"], rows["ollama/llama3"]
        assert paid.runs == free.runs == 1
        assert paid.input_tokens == sum(step.input_tokens for step in both)
        assert paid.credit_tokens == ended.run.credit_tokens > 0
        assert paid.cost_usd_micros == ended.run.cost_usd_micros
        assert free.output_tokens == ended.steps["two"].output_tokens > 0
        assert free.credit_tokens == 0
        assert {row.day for row in rows.values()} == {core_clock.now().date().isoformat()}
        assert {row.pipeline_id for row in rows.values()} == {ended.run.pipeline_id}
        workspace = await world.workspace()
        assert workspace.credit_tokens == ended.run.credit_tokens
        assert workspace.credit_month == core_clock.now().strftime("%Y-%m")

    async def test_usage_also_counts_for_what_started_the_run(self, world: World):
        caller = RunCaller(CallerType.API_KEY, uuid7())
        pipeline_id = await world.pipeline(TWICE)
        run_id, heard = await world.start(pipeline_id, caller=caller)
        await asyncio.wait_for(heard.until_ended(), 30)
        await world.run(TWICE)

        async with world.database.reading() as session:
            row = (await session.execute(sa.select(usage_caller_days))).one()
            run = (await session.execute(sa.select(runs).where(runs.c.id == run_id))).one()
        assert (row.caller_id, row.runs) == (caller.id, 1)
        for name in ("input_tokens", "output_tokens", "cost_usd_micros", "cost_complete"):
            assert getattr(row, name) == getattr(run, name)
        assert row.input_tokens > 0

    async def test_a_run_of_transforms_adds_one_row(self, world: World):
        await world.run(QUICK)

        (row,) = await _rows(world)

        assert (row.model, row.runs, row.runs_completed, row.cost_complete) == ("", 1, 1, True)
        assert (await world.workspace()).credit_month == ""

    async def test_a_run_that_fails_counts_as_failed(self, world: World):
        await world.run(
            "name: F\nsteps: [{id: t, type: transform, output_format: json, template: 'no'}]"
        )

        (row,) = await _rows(world)

        assert (row.runs, row.runs_failed, row.runs_completed) == (1, 1, 0)

    async def test_cancelled_runs_count_with_what_they_had_used(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=30_000)
        pipeline_id = await world.pipeline(ASK)
        run_id, heard = await world.start(pipeline_id, plan=Limits(1))
        held, _ = await world.start(pipeline_id, plan=Limits(1))
        await heard.until("step.delta")

        await world.cancel(held)
        await world.cancel(run_id)

        rows = {row.model: row for row in await _rows(world)}
        assert rows[""].runs == rows[""].runs_cancelled == 2
        assert rows["openai/gpt-4o-mini"].runs == 1
        assert rows["openai/gpt-4o-mini"].output_tokens > 0
        await _assert_exact(world)

    async def test_a_model_asked_before_and_after_a_crash_counts_once(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        pipeline_id = await world.pipeline(
            "name: Two\nsteps: [{id: one, model: openai/gpt-4o-mini, prompt: x},"
            " {id: two, model: openai/gpt-4o-mini, prompt: slow}]"
        )
        _, heard = await world.start(pipeline_id)
        await fake_provider.next_request()
        fake_provider.configure(latency_ms=10_000)
        await heard.until("step.status", step_id="two", status="running")
        await world.engine.stop(drain=timedelta(0))
        fake_provider.configure(latency_ms=0)

        await world.engine.start()
        await heard.until_ended()

        assert {row.model: row.runs for row in await _rows(world)} == {
            "": 1,
            "openai/gpt-4o-mini": 1,
        }
        await _assert_exact(world)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [0, 1, *on_sqlite(2, 3)])
    async def test_sums_agree_with_runs_and_steps_after_any_history(
        self, world: World, clock, seed: int
    ):
        """Claims, crashes, lost claims, retries and cancels in any order, of several runs at a time."""
        chance = random.Random(seed)  # noqa: S311 - not a secret
        pipelines = [await world.pipeline(QUICK) for _ in range(2)]
        await world.engine.stop(drain=timedelta(0))
        histories = [_History(world, chance, pipelines) for _ in range(6)]
        for turn in range(12):
            await asyncio.gather(*(history.turn() for history in histories))
            if turn == 6:
                clock.advance(timedelta(days=chance.choice((1, 31))))

        for history in histories:
            await history.finish()

        await _assert_exact(world)
        row = await world.workspace()
        assert (row.unfinished_runs, row.admitted_runs) == (0, 0)


class TestTally:
    def test_a_meter_without_tokens_adds_nothing(self):
        tally = Tally()

        tally.add_meter("openai/a", Meter(), set())

        assert tally.rows == {}

    def test_tokens_without_a_model_are_kept_without_counting_a_run(self):
        tally = Tally()

        tally.add_meter(None, Meter(input_tokens=3), set())

        assert (tally.rows[""]["runs"], tally.rows[""]["input_tokens"]) == (0, 3)
        assert tally.models == set()

    def test_an_unknown_price_is_remembered(self):
        tally = Tally()

        tally.add_meter("x", Meter(output_tokens=1, cost_complete=False), set())
        tally.add_meter("x", Meter(output_tokens=1), set())

        assert tally.rows["x"]["cost_complete"] is False
        assert tally.rows["x"]["runs"] == 1


class TestCreditsRemaining:
    @pytest.mark.parametrize(
        ("limit", "tokens", "left"),
        [(None, 10**9, None), (2, 0, 2), (2, 999, 2), (2, 1_000, 1), (2, 1_999, 1), (2, 2_000, 0), (2, 9_000, 0), (0, 0, 0)],
    )  # fmt: skip
    def test_one_that_has_been_begun_is_left(self, limit, tokens, left):
        assert usage.credits_remaining(limit, tokens) == left


class TestMonths:
    @pytest.mark.parametrize("seed", [0, 1, *on_sqlite(2, 3)])
    async def test_late_writes_never_erase_credits_of_a_newer_month(self, world: World, seed: int):
        """Writes of two months in any order, as of processes whose clocks differ."""
        chance = random.Random(seed)  # noqa: S311 - not a secret
        january = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
        moments = [chance.choice((january, january + timedelta(seconds=2))) for _ in range(12)]
        newest, in_february = "", 0

        for moment in moments:
            async with world.database.transaction() as session:
                await usage.count_credits(session, world.workspace_id, 7, moment)
            newest = max(newest, usage.month_of(moment))
            in_february += 7 if newest == "2026-02" else 0
            row = await world.workspace()

            assert row.credit_month == newest
            if newest == "2026-02":
                assert row.credit_tokens == in_february

    async def test_a_month_of_a_wrong_clock_ends_with_the_next_write(self, world: World):
        now = datetime(2026, 1, 31, tzinfo=UTC)
        for moment in (datetime(2036, 5, 1, tzinfo=UTC), now):
            async with world.database.transaction() as session:
                await usage.count_credits(session, world.workspace_id, 7, moment)

        row = await world.workspace()
        assert (row.credit_month, row.credit_tokens) == ("2026-01", 7)

    async def test_a_run_of_a_process_with_a_late_clock_keeps_the_runs_of_the_day(
        self, world: World, clock
    ):
        pipeline_id = await world.pipeline(QUICK)
        for _ in range(2):
            await world.start(pipeline_id)
        clock.jump(-timedelta(days=1))

        await world.start(pipeline_id)

        row = await world.workspace()
        today = (core_clock.now() + timedelta(days=1)).date().isoformat()
        assert (row.runs_day, row.runs_today) == (today, 3)


class TestResets:
    @pytest.mark.parametrize(
        ("moment", "day", "month"),
        [
            (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), (2027, 1, 1), (2027, 1, 1)),
            (datetime(2028, 2, 28, 12, tzinfo=UTC), (2028, 2, 29), (2028, 3, 1)),
            (datetime(2026, 1, 31, tzinfo=UTC), (2026, 2, 1), (2026, 2, 1)),
        ],
    )
    def test_days_and_months_begin_at_midnight(self, moment, day, month):
        assert tomorrow(moment) == datetime(*day, tzinfo=UTC)
        assert next_month(moment) == datetime(*month, tzinfo=UTC)


class _History:
    """One run after another, in the hands of workers that crash, lose their claim, or see it cancelled."""

    def __init__(self, world: World, chance: random.Random, pipelines: list[Any]) -> None:
        self.world, self.chance, self.pipelines = world, chance, pipelines
        self.journal = world.engine._journal
        self.run: ClaimedRun | None = None
        self.lost: ClaimedRun | None = None

    async def turn(self) -> None:
        if self.run is None:
            await self._begin()
            return
        act = self.chance.choice(
            (self._use, self._use, self._settle, self._crash, self._lose, self._cancel, self._end)
        )
        await act()

    async def finish(self) -> None:
        if self.run is not None:
            await self._end()

    async def _begin(self) -> None:
        run_id = uuid7()
        new = NewRun(
            id=run_id,
            workspace_id=self.world.workspace_id,
            pipeline_id=self.chance.choice(self.pipelines),
            pipeline_version=1,
            trigger_type=TriggerType.API,
            input_data={},
            timeout=timedelta(days=100),
            plan=Limits().plan,
            spends_credits=True,
        )
        async with self.world.database.transaction() as session:
            await self.world.engine.accept(session, new)
        self.run = await self.journal.claim(run_id)

    def _record(self) -> StepRecord:
        assert self.run is not None
        found = [r for r in self.run.steps.values() if r.completed_at is None]
        if found:
            return found[0]
        number = len(self.run.steps) + 1
        record = StepRecord(uuid7(), f"s{number}", "S", "llm", number)
        record.model = self.chance.choice(MODELS)
        self.run.add(record)
        return record

    def _meter(self, record: StepRecord) -> None:
        assert record.model is not None
        tokens = self.chance.choice((0, 7, 400))
        if not tokens:
            return
        used = Usage(input_tokens=tokens, cached_tokens=0, output_tokens=tokens // 7)
        costs_credits = record.model.startswith("openai")
        cost = None if record.model.endswith("c") else {"input": tokens * 3}
        record.meter.add(used, tokens + tokens // 7 if costs_credits else 0, cost)

    async def _write(self, record: StepRecord, ending: Ending | None = None) -> None:
        assert self.run is not None
        await self.journal.write(self.run, JournalEntry([record], [_EVENT], ending))

    async def _use(self) -> None:
        """An attempt: its start is recorded, and then what it used."""
        record = self._record()
        record.status, record.started_at = StepStatus.RUNNING, core_clock.now()
        record.attempts += 1
        await self._write(record)
        self._meter(record)
        if self.chance.random() < 0.7:
            await self._write(record)

    async def _settle(self) -> None:
        record = self._record()
        self._meter(record)
        record.status = StepStatus.COMPLETED
        record.started_at = record.completed_at = core_clock.now()
        await self._write(record)

    async def _crash(self) -> None:
        """What was not recorded is gone, and somebody else goes on."""
        assert self.run is not None
        self.run = await self.journal.claim(self.run.id)

    async def _lose(self) -> None:
        """Somebody else has claimed the run: whoever had it changes nothing any more."""
        assert self.run is not None
        mine = self.run
        self.run = await self.journal.claim(mine.id)
        record = StepRecord(uuid7(), "lost", "S", "llm", 99, model="openai/a")
        record.meter.input_tokens = record.meter.credit_tokens = 1_000
        record.status = StepStatus.RUNNING
        with pytest.raises(ClaimLost):
            await self.journal.write(mine, JournalEntry([record], [_EVENT]))
        self.lost = mine

    async def _cancel(self) -> None:
        assert self.run is not None
        run, record = self.run, self._record()
        record.status, record.started_at = StepStatus.RUNNING, core_clock.now()
        await self._write(record)
        self._meter(record)
        async with self.world.database.transaction() as session:
            await self.world.engine.cancel(session, run.workspace_id, run.id)
        if record.meter != record.stored_meter:
            await self.journal.count_cancelled(run, record)
        if self.lost is not None and self.lost.id == run.id:
            # A worker that lost the run before has nothing to add to the step of another.
            stale = StepRecord(record.id, record.step_id, "S", "llm", 1, model=record.model)
            stale.meter.input_tokens = 5_000
            await self.journal.count_cancelled(self.lost, stale)
        with pytest.raises(RunNotCancellable):
            async with self.world.database.transaction() as session:
                await self.world.engine.cancel(session, run.workspace_id, run.id)
        self.run = None

    async def _end(self) -> None:
        record = self._record()
        self._meter(record)
        record.started_at = record.completed_at = core_clock.now()
        if self.chance.random() < 0.5:
            record.status = StepStatus.COMPLETED
            ending = Ending(RunStatus.COMPLETED, output=1)
        else:
            record.status = StepStatus.FAILED
            record.error = {"code": "step_failed", "message": "no"}
            ending = Ending(RunStatus.FAILED, error={**record.error, "step_id": record.step_id})
        await self._write(record, ending)
        self.run = None


async def _rows(world: World) -> list[Any]:
    async with world.database.reading() as session:
        return list(
            await session.execute(
                sa.select(usage_days)
                .where(usage_days.c.workspace_id == world.workspace_id)
                .order_by(usage_days.c.day, usage_days.c.pipeline_id, usage_days.c.model)
            )
        )


async def _assert_exact(world: World) -> None:
    rows = await _rows(world)
    async with world.database.reading() as session:
        ran = (await session.execute(sa.select(runs))).all()
        steps = (
            await session.execute(
                sa.select(run_steps, runs.c.pipeline_id).join(runs, runs.c.id == run_steps.c.run_id)
            )
        ).all()
        workspace = (await session.execute(sa.select(workspaces))).one()
    for name in (*TOKENS, "credit_tokens", "cost_usd_micros"):
        assert sum(getattr(row, name) for row in rows) == sum(getattr(run, name) for run in ran)
    for pipeline_id in {run.pipeline_id for run in ran}:
        for model in {step.model for step in steps if step.model is not None}:
            of_steps = [s for s in steps if (s.pipeline_id, s.model) == (pipeline_id, model)]
            of_rows = [r for r in rows if (r.pipeline_id, r.model) == (pipeline_id, model)]
            used = {s.run_id for s in of_steps if s.input_tokens + s.output_tokens}
            assert sum(row.runs for row in of_rows) == len(used)
            for name in TOKENS:
                assert sum(getattr(r, name) for r in of_rows) == sum(
                    getattr(s, name) for s in of_steps
                )
    for row in rows:
        if row.model:
            continue
        ended = [
            run.status
            for run in ran
            if run.completed_at is not None
            and (run.pipeline_id, run.completed_at.date().isoformat()) == (row.pipeline_id, row.day)
        ]
        assert row.runs == len(ended)
        for status in ("completed", "failed", "cancelled"):
            assert getattr(row, f"runs_{status}") == ended.count(status)
    assert sum(row.runs for row in rows if not row.model) == len(ran)
    months: dict[str, int] = {}
    for row in rows:
        months[row.day[:7]] = months.get(row.day[:7], 0) + row.credit_tokens
    assert workspace.credit_tokens == months.get(workspace.credit_month, 0)
