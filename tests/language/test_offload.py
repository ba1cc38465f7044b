"""Large computations leave the event loop alone; small ones do without a thread."""

import asyncio
import gc
import json
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from stepiq.core import pauses
from stepiq.core.fairness import act_for
from stepiq.core.json import Json
from stepiq.language import offload
from stepiq.language.expressions import Expression
from stepiq.language.schema_work import ValidationMeter
from stepiq.language.templates import RenderMeter, Template, TemplateLimit, TemplateUnresolved

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


class Held:
    """Something to compute that takes as long as the test wants."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.done = threading.Event()
        self._loop = asyncio.get_running_loop()

    def compute(self) -> str:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.done.wait(30)
        return "done"


@pytest.fixture
async def held() -> AsyncIterator[Callable[[], Held]]:
    holds: list[Held] = []

    def make() -> Held:
        holds.append(Held())
        return holds[-1]

    yield make
    for each in holds:
        each.done.set()


def as_owner(
    owner: str, function: Any, *args: Any, offloaded: Any = offload.compute
) -> asyncio.Task[Any]:
    async def compute() -> Any:
        act_for(owner)
        return await offloaded(function, *args)

    return asyncio.create_task(compute())


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

    @pytest.mark.unmeasured
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


class TestTakeTurnsAs:
    async def test_others_do_not_wait_for_one_that_has_much_to_compute(self, held):
        hold = held()
        many = [as_owner("a", hold.compute) for _ in range(5)]
        await hold.begun.wait()

        assert await as_owner("b", len, "xyz") == 3
        assert not any(task.done() for task in many)

        hold.done.set()
        await asyncio.gather(*many)

    async def test_owners_with_a_backlog_come_one_after_the_other(self, held):
        holds, order = [held(), held(), held()], list[str]()
        running = [as_owner(name, hold.compute) for name, hold in zip("abx", holds, strict=True)]
        for hold in holds:
            await hold.begun.wait()
        names = ("a1", "a2", "a3", "c1", "c2", "c3")
        waiting = [as_owner(name[0], order.append, name) for name in names]
        await asyncio.sleep(0)
        # The place of one is the reserve, which owners with a backlog cannot use.
        holds[0].done.set()
        holds[2].done.set()
        await asyncio.gather(*waiting)

        assert order[:3] == ["a1", "c1", "a2"]

        holds[1].done.set()
        await asyncio.gather(*running)

    async def test_a_short_computation_does_not_wait_for_long_ones_that_can_pause(self):
        done, paused = threading.Event(), dict.fromkeys("abcde", 0)

        def compute(name: str) -> None:
            while not done.is_set():
                pauses.pause_if_due()
                paused[name] += 1

        # Those of three owners fill all places.
        running = [as_owner(name, compute, name) for name in paused]
        assert [await as_owner("x", len, "abc") for _ in range(3)] == [3, 3, 3]
        while not all(paused.values()):
            assert await as_owner("x", len, "abc") == 3
        assert not any(each.done() for each in running)

        done.set()
        await asyncio.gather(*running)

    async def test_a_suspended_one_continues_even_if_others_compute_all_the_time(self):
        """Its workspace has used much lately, so it cannot begin in the reserve."""
        done, turns = threading.Event(), {"heavy": 0, "a": 0, "b": 0, "c": 0}
        places = offload._Turns(now=lambda: 0.0)
        places._places._activate("heavy").used = 1e9

        def compute(name: str) -> None:
            while not done.is_set():
                pauses.pause_if_due()
                turns[name] += 1

        jobs = {name: offload._Job(lambda _, name=name: compute(name)) for name in turns}
        for name, job in jobs.items():
            places.add(name, job)
        for _ in range(3):
            seen = dict(turns)
            while any(turns[name] == seen[name] for name in turns):
                await asyncio.to_thread(time.sleep, 0)

        done.set()
        for job in jobs.values():
            await asyncio.wrap_future(job.result)

    async def test_so_many_at_most_are_suspended(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(offload, "_MOST_SUSPENDED", 0)
        done = threading.Event()
        overdue = [threading.Event() for _ in range(offload._PLACES)]

        def compute(number: int) -> None:
            end = time.thread_time() + 3 * offload._TURN_CPU_SECONDS
            while not done.is_set():
                pauses.pause_if_due()
                if time.thread_time() > end:
                    overdue[number].set()

        running = [as_owner(str(number), compute, number) for number in range(len(overdue))]
        short = as_owner("x", len, "abc")
        for each in overdue:
            assert await asyncio.to_thread(each.wait, 30)

        assert not short.done()

        done.set()
        assert await short == 3
        await asyncio.gather(*running)

    @pytest.mark.parametrize("offloaded", [offload.compute, offload.compute_long])
    async def test_who_computes_little_does_not_wait_for_others(self, held, offloaded):
        holds = [held(), held()]
        running = [
            as_owner(name, hold.compute, offloaded=offloaded)
            for name, hold in zip("aabb", [holds[0]] * 2 + [holds[1]] * 2, strict=True)
        ]
        for hold in holds:
            await hold.begun.wait()

        assert await as_owner("c", len, "xyz", offloaded=offloaded) == 3

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running)

    async def test_who_computed_much_waits_for_others(self, held):
        now = [0.0]
        turns = offload._Turns(lambda: now[0])

        async def offloaded(function: Callable[..., Any], *args: Any) -> Any:
            return await offload._offload(lambda pause: function(*args), turns=turns)

        def compute_for_long() -> None:
            now[0] += 6

        await as_owner("c", compute_for_long, offloaded=offloaded)
        holds, order = [held(), held()], list[str]()
        running = [
            as_owner(name, hold.compute, offloaded=offloaded)
            for name, hold in zip("ab", holds, strict=True)
        ]
        for hold in holds:
            await hold.begun.wait()
        waiting = [as_owner(name, order.append, name, offloaded=offloaded) for name in "cd"]
        await waiting[1]

        assert order == ["d"]

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running, *waiting)

    async def test_work_in_a_transaction_does_not_wait_for_other_work(self, held):
        holds = [held() for _ in range(3)]
        running = [as_owner(name, hold.compute) for name, hold in zip("abc", holds, strict=True)]
        for hold in holds:
            await hold.begun.wait()

        assert await as_owner("a", len, "xyz", offloaded=offload.compute_apart) == 3

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running)


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
    @pytest.mark.unmeasured
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
