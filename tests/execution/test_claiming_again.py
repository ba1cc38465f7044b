"""Runs that a worker claims again after an outage of the store."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from stepiq.execution.journal.writing import JournalEntry
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.database import StoreUnavailable
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.workers import ASK, another, say_that_somebody_else_has_it

TRANSFORM = """
name: Transform
steps:
  - {id: only, type: transform, template: "x"}
"""


class TestClaimingAgain:
    @pytest.mark.parametrize(
        "error", [StoreUnavailable("The database did not respond."), KeyError()]
    )
    async def test_it_is_not_lost_before_its_new_claim_is_known(
        self, world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
    ):
        journal, claims = world.engine._journal, 0
        claim, write = journal.claim, journal.write

        async def claim_and_look(*arguments: Any, **options: Any) -> ClaimedRun | None:
            nonlocal claims
            claimed = await claim(*arguments, **options)
            claims += 1
            # The claim is committed, but the engine does not know its number yet.
            look = another(world).let_go(world.engine._claims, world.engine._overtaken)
            await asyncio.create_task(look)
            return claimed

        async def write_later(run: ClaimedRun, entry: JournalEntry) -> None:
            if claims == 1:
                raise error
            await write(run, entry)

        monkeypatch.setattr(journal, "claim", claim_and_look)
        monkeypatch.setattr(journal, "write", write_later)
        loop_time.quicken(1)
        run_id, heard = await world.start(await world.pipeline(TRANSFORM), has_ticket=True)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert (ended.run.claim, ended.run.crashes_in_total) == (2, 0)

    async def test_a_run_that_comes_back_in_an_outage_is_not_counted_as_crashed(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        journal, tried, is_away = world.engine._journal, asyncio.Event(), True
        claim, write = journal.claim, journal.write

        async def claim_later(*arguments: Any, **options: Any) -> ClaimedRun | None:
            if is_away and fake_provider.requests:
                # The ticket returns before the next try.
                loop_time.hold(1)
                tried.set()
                raise StoreUnavailable("The database did not respond.")
            return await claim(*arguments, **options)

        async def write_later(run: ClaimedRun, entry: JournalEntry) -> None:
            if is_away and fake_provider.requests:
                raise StoreUnavailable("The database did not respond.")
            await write(run, entry)

        loop_time.quicken(1)
        monkeypatch.setattr(journal, "claim", claim_later)
        monkeypatch.setattr(journal, "write", write_later)
        run_id, heard = await world.start(await world.pipeline(ASK))
        await asyncio.wait_for(tried.wait(), 30)
        await say_that_somebody_else_has_it(world)
        await another(world).take_over()
        is_away = False

        await asyncio.wait_for(heard.until_ended(), 30)
        assert (await world.ended(run_id, heard)).run.crashes_in_total == 0

    async def test_a_loss_that_is_found_by_the_next_claim_is_noted(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        journal, lost = world.engine._journal, list[tuple[UUID, int]]()
        claim = journal.claim

        async def claim_once(*arguments: Any, **options: Any) -> ClaimedRun | None:
            return None if fake_provider.requests else await claim(*arguments, **options)

        async def write_never(run: ClaimedRun, entry: JournalEntry) -> None:
            raise StoreUnavailable("The database did not respond.")

        monkeypatch.setattr(journal, "claim", claim_once)
        loop_time.quicken(1)
        monkeypatch.setattr(world.engine._recovery, "claim_lost", lambda *found: lost.append(found))
        fake_provider.configure(latency_ms=200)
        run_id, _ = await world.start(await world.pipeline(ASK))
        await fake_provider.next_request()
        executing = world.engine._executing[run_id]

        monkeypatch.setattr(journal, "write", write_never)
        await asyncio.wait({executing})

        assert lost == [(run_id, 1)]
        assert run_id not in world.engine._claims
