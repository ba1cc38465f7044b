"""Failures that a completed run passed over: limits, interruptions and runs of one step."""

import asyncio
from datetime import timedelta

import pytest

from stepiq.execution.interpreter import flow
from tests.support.engine import World
from tests.support.receiver import Reply, running_receiver

LOOP = "\n".join(f"      - {{id: s{number}, type: transform, template: a}}" for number in range(20))
ITEMS = f"""
name: Items
steps:
  - id: all
    type: parallel
    for_each: "[1, 2, 3]"
    max_concurrency: 1
    on_branch_error: continue
    steps:
      - {{id: fail, type: transform, if: item == 1, set: {{x: 1 / 0}}}}
      - {{id: ask, type: webhook, if: item == ITEM, url: URL}}
{LOOP}
      - id: again
        type: transform
        template: a
        on_condition: [{{if: item == 2, goto: s0, max_loops: 99}}]
  - {{id: ask_after, type: webhook, if: "4 == ITEM", url: URL}}
"""
"""Item 1 fails. Item 2 ends at the limit of steps."""


@pytest.mark.both_stores
@pytest.mark.parametrize("asking", [3, 4], ids=["inside", "after"])
async def test_an_interruption_neither_loses_nor_doubles_the_count(world: World, asking: int):
    async with running_receiver() as receiver:
        receiver.reply_with(Reply(body=b"ok", delay=30), Reply(body=b"ok"))
        source = ITEMS.replace("ITEM", str(asking)).replace("URL", receiver.url)
        run_id, heard = await world.start(await world.pipeline(source))
        await receiver.until(1)

        await world.engine.stop(drain=timedelta(0))
        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 60)

        ended = await world.ended(run_id, heard)
        assert (ended.run.status, ended.run.failed_steps) == ("completed", 2)


async def test_items_beyond_the_limit_of_rows_count(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flow, "MAX_ROWS", 3)
    source = """
name: Rows
steps:
  - id: all
    type: parallel
    for_each: "[1, 2, 3, 4, 5]"
    on_branch_error: continue
    step: {id: each, type: transform, template: a}
"""

    ended = await world.run(source)

    # Two items and the step itself have rows.
    assert (ended.run.status, ended.run.failed_steps) == ("completed", 3)
