"""Runs with many finished steps that continue after a wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from stepiq.execution.interpreter.run_context import RunContext
from stepiq.execution.records.run import StepRecord
from tests.support.engine import Heard, World

pytestmark = pytest.mark.one_store

ITEMS = """
name: Items
input: {schema: {items: {type: array, required: true}}}
steps:
  - id: all
    type: parallel
    for_each: input.items
    steps:
      - id: both
        type: parallel
        steps:
          - {id: one, type: transform, template: a}
          - {id: two, type: transform, template: b}
      - {id: pause, type: wait, if: item == 'last', seconds: 120}
"""


class _Reads:
    """Counts how often the step of a record is read."""

    def __init__(self) -> None:
        self.number = 0


@contextmanager
def counted_reads() -> Iterator[_Reads]:
    reads = _Reads()
    slot: Any = StepRecord.__dict__["step_id"]

    def read(record: StepRecord) -> str:
        reads.number += 1
        return slot.__get__(record)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StepRecord, "step_id", property(read, slot.__set__))
        yield reads


async def waits_in_the_last_item(world: World, items: int) -> Heard:
    """Start a run whose last item waits when all others have ended."""
    input_data = {"items": [*range(items - 1), "last"]}
    _, heard = await world.start(await world.pipeline(ITEMS), input_data)
    await asyncio.wait_for(heard.until("run.status", status="waiting"), 30)
    return heard


async def reads_of_a_replay(world: World, items: int, clock: ModuleType) -> int:
    heard = await waits_in_the_last_item(world, items)
    with counted_reads() as reads:
        clock.advance(timedelta(seconds=121))
        await asyncio.wait_for(heard.until_ended(), 30)
    return reads.number


class TestReplay:
    async def test_its_work_grows_with_the_number_of_steps_only(
        self, world: World, clock: ModuleType
    ):
        few = await reads_of_a_replay(world, 10, clock)

        many = await reads_of_a_replay(world, 100, clock)

        assert many < 11 * few

    async def test_other_work_gets_its_turn_meanwhile(
        self, world: World, clock: ModuleType, monkeypatch: pytest.MonkeyPatch
    ):
        heard = await waits_in_the_last_item(world, 100)
        count, loop = RunContext.count, asyncio.get_running_loop()
        at_once, most = 0, 0

        def other_work() -> None:
            nonlocal at_once
            at_once = 0

        def counted(run_context: RunContext, record: StepRecord) -> None:
            nonlocal at_once, most
            if at_once == 0:
                loop.call_soon(other_work)
            at_once += 1
            most = max(most, at_once)
            count(run_context, record)

        monkeypatch.setattr(RunContext, "count", counted)
        clock.advance(timedelta(seconds=121))
        await asyncio.wait_for(heard.until_ended(), 30)

        # At most two turns of 50 steps at the start of the replay, and two steps in each of the five branches.
        assert 1 < most <= 110
