"""Many items that fail at once, in a `for_each` that tolerates it."""

import pytest

from stepiq.execution.journal.writing import Journal, JournalEntry
from stepiq.execution.records.run import ClaimedRun
from tests.support.engine import World

pytestmark = pytest.mark.one_store

PRICES = """
name: Prices
input: {schema: {items: {type: array, required: true}}}
steps:
  - id: all
    type: parallel
    for_each: input.items
    on_branch_error: continue
    step: {id: price, type: transform, if: item.price > 3, template: "{{item.price}}"}
"""
MOST_ROWS = 25
"""Of one write: 20, and one of each other item that is executed at the same time."""


async def test_they_are_written_in_portions(world: World, monkeypatch: pytest.MonkeyPatch):
    written: list[int] = []
    write = Journal.write

    async def noted(journal: Journal, run: ClaimedRun, entry: JournalEntry) -> None:
        written.append(len(entry.steps))
        await write(journal, run, entry)

    monkeypatch.setattr(Journal, "write", noted)

    ended = await world.run(PRICES, {"items": [{}] * 100})

    assert ended.run.output == [None] * 100
    assert {row.status for row in ended.rows if row.step_id == "price"} == {"failed"}
    assert max(written) <= MOST_ROWS
