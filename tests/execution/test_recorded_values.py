"""Recorded values are parsed after the claim, with turns for other tasks."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import json
from stepiq.execution.interpreter import recording
from stepiq.execution.journal import reading
from stepiq.execution.journal.writing import Journal
from stepiq.execution.records.run import ClaimedRun, Reuse
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.store.database import Session
from stepiq.store.tables import large_values, run_steps
from tests.support.engine import Ended, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.operations import continued, interrupt_in_correction

LARGE = "ä" * 40_000
"""Its JSON has 80,002 bytes."""
SOURCE = """
name: Large
input: {schema: {type: object}}
steps:
  - {id: large, type: transform, template: "{{input.text}}"}
  - {id: small, type: transform, set: {word: "'y'"}}
  - id: both
    type: parallel
    steps:
      - {id: left, steps: [{id: a, type: transform, template: "{{input.text}}"}]}
      - {id: right, steps: [{id: b, type: transform, template: "z"}]}
  - id: last
    type: transform
    set: {large: steps.large.output, word: steps.small.output.word, left: steps.left.output}
"""


def definition() -> Definition:
    found = load(SOURCE, SourceFormat.YAML).definition
    assert found is not None
    return found


@pytest.fixture
async def ended(world: World) -> Ended:
    return await world.run(SOURCE, {"text": LARGE})


@contextmanager
def parsed() -> Iterator[list[tuple[str, bool]]]:
    """The texts that are parsed in this block, and whether each was parsed by this thread."""
    texts: list[tuple[str, bool]] = []
    read, this = json.read_trusted, threading.get_ident()

    def note(text: str) -> Any:
        texts.append((text, threading.get_ident() == this))
        return read(text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json, "read_trusted", note)
        yield texts


@pytest.fixture
def parsed_by_claims(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are parsed while runs are claimed."""
    found: list[str] = []
    claim = Journal.claim

    async def claim_and_note(*arguments: Any, **options: Any) -> ClaimedRun | None:
        with parsed() as texts:
            claimed = await claim(*arguments, **options)
        found.extend(text for text, _ in texts)
        return claimed

    monkeypatch.setattr(Journal, "claim", claim_and_note)
    return found


async def planned(
    world: World, ended: Ended, start: str = "last", outputs: Mapping[str, Any] | None = None
) -> Reuse:
    async with world.database.reading() as session:
        return await world.engine.plan_retry(
            session, ended.run.id, None, definition(), start=start, outputs=outputs or {}
        )


async def retried(
    world: World, ended: Ended, reuse: Reuse, only_step: str | None = None
) -> tuple[Any, Any]:
    """The row of a run that reuses steps, after its end, and its output."""
    run_id, heard = await world.start(
        ended.run.pipeline_id, retry_of=ended.run.id, reuse=reuse, only_step=only_step
    )
    await asyncio.wait_for(heard.until_ended(), 30)
    new = (await world.ended(run_id, heard)).run
    async with world.database.reading() as session:
        output = sa.select(large_values.c.value).where(large_values.c.owner_id == run_id)
        return new, await session.scalar(output)


async def large_steps(session: Session, run_id: UUID) -> set[str]:
    """Ids of the steps of a run whose outputs are stored as large values."""
    steps = sa.select(run_steps.c.step_id).join(
        large_values, large_values.c.owner_id == run_steps.c.id
    )
    found = await session.execute(steps.where(run_steps.c.run_id == run_id))
    return {row.step_id for row in found}


class TestClaim:
    async def test_later_steps_see_the_recorded_outputs(self, world: World, ended: Ended):
        run, output = await retried(world, ended, await planned(world, ended))

        assert run.status == "completed"
        assert output == {"large": LARGE, "word": "y", "left": LARGE}

    async def test_a_run_of_one_step_sees_the_outputs_of_others(self, world: World, ended: Ended):
        async with world.database.reading() as session:
            step, reuse = await world.engine.plan_step(
                session, ended.run.id, definition(), "last", {}
            )

        _, output = await retried(world, ended, reuse, only_step=step)

        assert output == {"large": LARGE, "word": "y", "left": LARGE}

    async def test_large_values_are_parsed_after_it_in_threads(
        self, world: World, ended: Ended, parsed_by_claims: list[str]
    ):
        reuse = await planned(world, ended)

        with parsed() as texts:
            _, heard = await world.start(
                ended.run.pipeline_id, {"text": LARGE}, retry_of=ended.run.id, reuse=reuse
            )
            await asyncio.wait_for(heard.until_ended(), 30)

        assert [text for text in parsed_by_claims if len(text) > len(LARGE)] == []
        found = [is_here for text, is_here in texts if len(text) > len(LARGE)]
        # The input, and the outputs of `large`, `a` and `both`.
        assert found == [False] * 4

    async def test_replies_of_calls_are_parsed_when_they_are_replayed(
        self, world: World, fake_provider: RunningFakeProvider, parsed_by_claims: list[str]
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        with parsed() as texts:
            ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        assert [text for text in parsed_by_claims if "cut_off" in text] == []
        assert any("cut_off" in text for text, _ in texts)

    async def test_recorded_outputs_count_for_the_limit_of_the_run(
        self, world: World, ended: Ended, monkeypatch: pytest.MonkeyPatch
    ):
        # The `parallel` contains the output of its branch, and `last` contains two outputs.
        monkeypatch.setattr(recording, "RUN_OUTPUT_BYTES", 5 * 2 * len(LARGE))

        run, _ = await retried(world, ended, await planned(world, ended))

        assert run.error["code"] == "output_too_large"


class TestRead:
    async def test_others_have_turns_while_many_short_values_are_parsed(
        self, world: World, ended: Ended
    ):
        async with world.database.reading() as session:
            run = await reading.recorded(session, ended.run.id)
        assert run is not None
        order: list[str] = []
        [small] = [each for each in run.steps.values() if each.step_id == "small"]
        # Each counts as about 500 characters of the 64 Ki until a turn.
        short = [replace(small, output=json.SerializedJson('"short"')) for _ in range(150)]

        async def turn() -> None:
            order.append("turn")

        with parsed() as texts:
            await reading.read_outputs(short, turn)

        assert [is_here for text, is_here in texts if text == '"short"'] == [True] * 150
        assert order == ["turn"]
        assert [record.output for record in short] == ["short"] * 150
        assert [record.output_bytes for record in short] == [7] * 150


class TestRetry:
    async def test_outputs_are_not_parsed_to_plan_it(self, world: World, ended: Ended):
        with parsed() as texts:
            await planned(world, ended, outputs={"small": {"word": "z"}})

        assert [text for text, _ in texts if "ä" in text or "word" in text] == []

    async def test_reused_outputs_are_copied_as_text(
        self, world: World, ended: Ended, monkeypatch: pytest.MonkeyPatch
    ):
        reuse = await planned(world, ended)
        run = replace(world.new_run(ended.run.pipeline_id), reuse=reuse, retry_of=ended.run.id)
        dumps = json.dumps

        def refuse(value: Any) -> str:
            text = dumps(value)
            assert len(text) < len(LARGE)
            return text

        monkeypatch.setattr(json, "dumps", refuse)
        async with world.database.transaction() as session:
            await world.engine.accept(session, run)

            assert await large_steps(session, run.id) == {"a", "both", "large"}

    async def test_a_large_output_can_be_replaced(self, world: World, ended: Ended):
        reuse = await planned(world, ended, outputs={"large": "short"})

        run, output = await retried(world, ended, reuse)

        assert output == {"large": "short", "word": "y", "left": LARGE}
        async with world.database.reading() as session:
            assert await large_steps(session, run.id) == {"a", "both", "last"}

    async def test_from_the_start_it_does_not_read_the_steps(
        self, world: World, ended: Ended, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(reading, "recorded", None)

        assert (await planned(world, ended, "start")).steps == ()
