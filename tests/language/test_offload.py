"""Large computations leave the event loop alone; small ones do without a thread."""

import asyncio
import gc
import json
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from stepiq.core.concurrency.fairness import act_for
from stepiq.core.json import Json
from stepiq.language import offload
from stepiq.language.expressions import Expression
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.templates import RenderMeter, Template, TemplateLimit, TemplateUnresolved
from tests.support.computations import as_owner

ROWS: list[Json] = [{"a": index, "b": [1, 2, 3]} for index in range(1_000)]
SMALL = Template.compile("{{#each input.rows}}{{#if @first}}{{a}}{{/if}}{{/each}}")
LARGE = Template.compile("{{#each input.rows}}{{a}},{{/each}}")
HOSTILE = [
    Template.compile("{{#each input.rows}}" + inside + "{{/each}}")
    for inside in (
        "{{#each @root.input.rows}}{{#if (and a b)}}x{{/if}}{{/each}}",
        "{{#if (json @root.input.rows)}}{{/if}}",
        "{{#if (eq @root.input.rows @root.input.rows)}}{{/if}}",
    )
]


class Watched(dict[str, Any]):
    """A context that knows which threads read it."""

    def __init__(self, rows: list[Any]) -> None:
        super().__init__(input={"rows": rows})
        self.readers: list[str] = []

    def items(self) -> Any:
        self._note()
        return super().items()

    def __getitem__(self, name: str) -> Any:
        self._note()
        return super().__getitem__(name)

    def _note(self) -> None:
        name = threading.current_thread().name
        if name not in self.readers:
            self.readers.append(name)


class TestRender:
    async def test_a_small_template_is_rendered_without_a_thread(self):
        context = Watched(ROWS[:20])

        assert await offload.render(SMALL, context) == "0"
        assert context.readers == [threading.current_thread().name]

    async def test_a_large_template_is_rendered_anew_in_a_thread(self):
        context = Watched(ROWS)

        assert await offload.render(LARGE, context) == LARGE.render({"input": {"rows": ROWS}})
        assert context.readers == [threading.current_thread().name, "offload"]

    async def test_an_error_comes_out_of_the_thread(self):
        rows = [*ROWS, {"b": 1}]

        with pytest.raises(TemplateUnresolved, match="`this` has no field `a`"):
            await offload.render(LARGE, {"input": {"rows": rows}})

    @pytest.mark.slow
    @pytest.mark.parametrize("template", HOSTILE)
    async def test_the_bounds_hold_in_the_thread(self, template):
        with pytest.raises(TemplateLimit):
            await offload.render(template, {"input": {"rows": ROWS}})

    async def test_who_no_longer_waits_ends_the_rendering(self, held):
        hold, spent = held(), list[int]()

        class Endless:
            def render(self, context: Mapping[str, Any], meter: RenderMeter | None = None) -> str:
                assert meter is not None
                for turn in range(10_000):
                    meter.spend()
                    if turn == 1_000:
                        hold.compute()
                    spent.append(turn)
                return "too late"

        task = asyncio.create_task(offload.render(Endless(), {}))
        await hold.begun.wait()
        task.cancel()
        await asyncio.wait({task})
        hold.done.set()
        await offload.compute(len, spent)

        assert task.cancelled()
        assert spent[-1] < 2_000


class TestEvaluate:
    @pytest.mark.parametrize(("count", "threads"), [(3, []), (1_000, ["offload"])])
    async def test_a_thread_is_used_only_for_much_work(self, count, threads):
        context = Watched(ROWS[:count])
        expression = Expression.compile("input.rows.map(row, row.a * 2).size()")

        assert await offload.evaluate(expression, context) == count
        assert context.readers[1:] == threads


class TestDecide:
    @pytest.mark.parametrize(("count", "threads"), [(3, []), (1_000, ["offload"])])
    async def test_a_thread_is_used_only_for_much_work(self, count, threads):
        context = Watched(ROWS[:count])
        expression = Expression.compile("input.rows.all(row, row.a >= 0)")

        assert await offload.decide(expression, context)
        assert context.readers[1:] == threads


class TestMetered:
    async def test_a_few_operations_are_done_at_once(self):
        def work(meter: RenderMeter) -> str:
            meter.spend(offload.INLINE_OPERATIONS)
            return threading.current_thread().name

        assert await offload.metered(work, RenderMeter) == threading.current_thread().name

    async def test_more_are_done_anew_in_a_thread(self):
        turns: list[str] = []

        def work(meter: RenderMeter) -> int:
            turns.append(threading.current_thread().name)
            meter.spend(offload.INLINE_OPERATIONS + 1)
            return len(turns)

        assert await offload.metered(work, RenderMeter) == 2
        assert turns == [threading.current_thread().name, "offload"]


class TestCompute:
    async def test_it_gives_what_the_function_gives(self):
        assert await offload.compute(sorted, [2, 1], reverse=True) == [2, 1]

    async def test_it_raises_what_the_function_raises(self):
        with pytest.raises(json.JSONDecodeError):
            await offload.compute(json.loads, "{")

    async def test_the_function_has_a_thread_of_its_own(self):
        names = [await offload.compute(lambda: threading.current_thread().name) for _ in range(4)]

        assert set(names) == {"offload"}

    async def test_who_is_cancelled_does_not_wait_for_the_end(self, held):
        hold = held()
        task = asyncio.create_task(offload.compute(hold.compute))
        await hold.begun.wait()

        task.cancel()
        await asyncio.wait({task})

        assert task.cancelled()
        assert not hold.done.is_set()

    async def test_what_is_cancelled_before_its_turn_never_runs(self, held):
        hold, ran = held(), list[str]()
        first = asyncio.create_task(offload.compute(hold.compute))
        await hold.begun.wait()
        second = asyncio.create_task(offload.compute(ran.append, "second"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second})
        hold.done.set()
        await first
        await offload.compute(ran.append, "third")

        assert ran == ["third"]

    async def test_what_it_was_given_is_released_at_its_end(self):
        class Given:
            pass

        given = Given()
        left = weakref.ref(given)
        gc.disable()
        try:
            await offload.compute(lambda _: None, given)
            del given
            # The next job of the thread replaces the last references.
            await offload.compute(len, "")
            assert left() is None
        finally:
            gc.enable()

    async def test_without_another_thread_it_fails_and_the_next_one_runs(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        turns = offload._Turns()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="new thread"):
                await offload._offload(lambda _: 1, turns)

        assert await offload._offload(lambda _: 2, turns) == 2

    async def test_without_another_thread_those_that_wait_run_in_the_threads_there_are(
        self, held, monkeypatch: pytest.MonkeyPatch
    ):
        holds = [held() for _ in range(offload._PLACES)]
        turns = offload._Turns()
        running = [offload._Job(lambda _, hold=hold: hold.compute()) for hold in holds]
        for number, job in enumerate(running):
            turns.add(number, job)
        for hold in holds:
            await hold.begun.wait()

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        waiting = [offload._Job(lambda _: 1) for _ in range(5)]
        for number, job in enumerate(waiting):
            turns.add(f"waiting {number}", job)
        for hold in holds:
            hold.done.set()

        assert [await asyncio.wrap_future(job.result) for job in waiting] == [1] * 5


class TestComputeLong:
    async def test_short_work_does_not_wait_for_it(self, held):
        holds = [held(), held()]
        running = [
            as_owner(name, hold.compute, offloaded=offload.compute_long)
            for name, hold in zip("ab", holds, strict=True)
        ]
        for hold in holds:
            await hold.begun.wait()

        assert await as_owner("a", len, "xyz") == 3

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running)


@pytest.mark.parametrize("offloaded", [offload.compute_long, offload.compute_apart])
async def test_owners_take_turns_in_each_pool(held, offloaded):
    hold = held()
    many = [as_owner("a", hold.compute, offloaded=offloaded) for _ in range(5)]
    await hold.begun.wait()

    assert await as_owner("b", len, "xyz", offloaded=offloaded) == 3
    assert not any(task.done() for task in many)

    hold.done.set()
    await asyncio.gather(*many)


class Validation:
    """A schema that needs `operations`, and knows in which thread it validated."""

    def __init__(self, operations: int) -> None:
        self.operations = operations
        self.thread = ""

    def validate(
        self, payload: Mapping[str, Json], meter: ValidationMeter | None = None
    ) -> dict[str, Json]:
        assert meter is not None
        meter.spend(self.operations)
        self.thread = threading.current_thread().name
        return dict(payload)


@pytest.mark.parametrize("validate", [offload.validate, offload.validate_apart])
@pytest.mark.parametrize(("operations", "thread"), [(500, "MainThread"), (501, "offload")])
async def test_a_validation_with_much_work_needs_a_thread(validate, operations: int, thread: str):
    schema = Validation(operations)

    assert await validate(schema, {"a": 1}) == {"a": 1}
    assert schema.thread == thread


class TestTheLoop:
    @pytest.mark.slow
    async def test_hostile_templates_leave_it_alone(self):
        """Measured in the process's own time, which a busy machine takes from nobody."""

        async def render(index: int) -> None:
            act_for(index)
            with suppress(TemplateLimit):
                await offload.render(HOSTILE[index % len(HOSTILE)], {"input": {"rows": ROWS}})

        tasks = [asyncio.create_task(render(index)) for index in range(20)]
        turns = await _gaps(seconds=2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

        assert len(turns) > 100
        assert turns[len(turns) * 99 // 100] < 0.05


async def _gaps(*, seconds: float) -> list[float]:
    """How much this process computes between one turn of the loop and the next, the shortest first."""
    end = time.process_time() + seconds
    gaps: list[float] = []
    while (before := time.process_time()) < end:
        await asyncio.sleep(0.001)
        gaps.append(time.process_time() - before)
    return sorted(gaps)
