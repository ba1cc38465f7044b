"""Runs whose steps make several calls, and the operations that are recorded of them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.handlers import StepHandler, handlers
from stepiq.execution.interpreter import attempts
from stepiq.execution.outcomes import Result
from stepiq.store.tables import reviews, run_operations, run_steps
from tests.support.engine import Ended, Heard, World
from tests.support.fake_provider import RunningFakeProvider

STRUCTURED = """
name: Structured
steps:
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about cats"
    retry: {max_attempts: 1}
    output_schema: {type: object, required: [name], properties: {name: {type: string}}}
"""


async def operations(world: World, run_id: UUID) -> list[Any]:
    async with world.database.reading() as session:
        found = await session.execute(
            sa.select(run_operations)
            .join(run_steps, run_steps.c.id == run_operations.c.step_row_id)
            .where(run_operations.c.run_id == run_id)
            .order_by(run_steps.c.ordinal, run_operations.c.attempt, run_operations.c.number)
        )
        return list(found)


async def operations_of(world: World, ended: Ended) -> list[Any]:
    return await operations(world, ended.run.id)


async def interrupt_in_correction(
    world: World, fake_provider: RunningFakeProvider, source: str = STRUCTURED
) -> tuple[UUID, Heard]:
    """Stop the engine as a crash would, after an invalid answer and during the call that corrects it."""
    fake_provider.configure(json_answers="invalid", latency_ms=20)
    run_id, heard = await world.start(await world.pipeline(source))
    await fake_provider.next_request(1)
    fake_provider.configure(latency_ms=30_000)
    await fake_provider.next_request(2)
    await world.engine.stop(drain=timedelta(0))
    fake_provider.configure(latency_ms=0, json_answers="valid")
    return run_id, heard


async def approve(world: World, run_id: UUID) -> None:
    """Decide the open review of a run, and wake the run."""
    async with world.database.transaction() as session:
        await session.execute(
            reviews.update()
            .where(reviews.c.run_id == run_id, reviews.c.closed_at.is_(None))
            .values(decision="approve", reviewer="a@example.com", closed_at=clock.now())
        )
        await world.engine.wake(session, world.workspace_id, run_id)


async def continued(world: World, run_id: UUID, heard: Heard) -> Ended:
    """Start the engine again, and wait until the run has ended."""
    await world.engine.start()
    await asyncio.wait_for(heard.until_ended(), 20)
    return await world.ended(run_id, heard)


def use(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Awaitable[Result]]) -> None:
    """Execute `webhook` steps with this handler."""
    others = {**handlers(), "webhook": StepHandler(run)}
    monkeypatch.setattr(attempts, "handlers", lambda: others)
