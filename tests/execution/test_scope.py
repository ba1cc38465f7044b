import asyncio
from functools import partial
from typing import Any

import pytest

from stepiq.core.ids import uuid7
from stepiq.execution.journal.reading import read_outputs, recorded
from stepiq.execution.outcomes import STOP
from stepiq.execution.records.run import StepRecord
from stepiq.execution.run_secrets import RunSecrets
from stepiq.execution.scope import branch_state, last_records, last_scope, owners, state
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import StepStatus
from tests.support.engine import World

TEXT = """\
name: T
steps:
  - {id: first, type: transform, template: x}
  - id: both
    type: parallel
    steps:
      - id: left
        steps: [{id: a, type: transform, template: x}, {id: b, type: transform, template: x}]
      - {id: right, steps: [{id: c, type: transform, template: x}]}
"""

SEEN = """\
name: Seen
input: {schema: {type: object}}
steps:
  - id: both
    type: parallel
    on_branch_error: continue
    steps:
      - {id: left, steps: [{id: a, type: transform, FIRST}, {id: b, type: transform, SECOND}]}
    on_condition: [{if: "true", goto: both, max_loops: 1, on_limit: next}]
  - {id: seen, type: transform, set: {left: steps.left}}
"""
HELLO = "template: hello"
SKIPPED = 'template: x, if: "false"'
IN_FIRST_ROUND = "template: x, if: steps.both.output == null"
FAILS = 'template: "{{input.a.b}}"'


def definition_of(text: str) -> Definition:
    definition = load(text, SourceFormat.YAML).definition
    assert definition is not None
    return definition


async def scope_after(world: World, run_id: Any, text: str) -> dict[str, Any]:
    async with world.database.reading() as session:
        run = await recorded(session, run_id)
    assert run is not None
    definition = definition_of(text)
    last = last_records(run, definition).values()
    await read_outputs(filter(None, last), partial(asyncio.sleep, 0))
    return last_scope(run, definition, RunSecrets())


def test_steps_of_branches_are_seen_under_the_branch():
    assert owners(definition_of(TEXT)) == {
        ("first", ""): "first",
        ("both", ""): "both",
        ("a", "0"): "left",
        ("b", "0"): "left",
        ("c", "1"): "right",
    }


@pytest.mark.one_store
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (HELLO, HELLO),
        (HELLO, SKIPPED),
        (SKIPPED, SKIPPED),
        (SKIPPED, IN_FIRST_ROUND),
        (HELLO, FAILS),
        (HELLO, f"{FAILS}, on_error: continue"),
    ],
)
async def test_after_the_run_a_branch_has_the_value_that_its_steps_saw(
    world: World, first: str, second: str
):
    text = SEEN.replace("FIRST", first).replace("SECOND", second)

    ended = await world.run(text)

    scope = await scope_after(world, ended.run.id, text)
    assert scope["steps"]["left"] == ended.run.output["left"]


def test_a_branch_whose_run_was_cancelled_in_it_has_no_output():
    record = StepRecord(uuid7(), "b", "b", "transform", 1, status=StepStatus.CANCELLED)

    assert branch_state(record) == state(StepStatus.CANCELLED)


def test_a_branch_that_failed_has_the_output_that_replaces_it():
    record = StepRecord(uuid7(), "b", "b", "transform", 1, status=StepStatus.COMPLETED)
    record.jump, record.output = STOP, "given"

    assert branch_state(record) == state(StepStatus.COMPLETED, "given")
