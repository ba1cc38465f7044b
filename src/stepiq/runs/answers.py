"""Responses with a run and its steps. A run can have 50,000 of them."""

import asyncio
from dataclasses import replace
from uuid import UUID

from fastapi import Response

from stepiq.accounts.actor import Actor
from stepiq.core.concurrency.fairness import FairSemaphore
from stepiq.core.json import SerializedJson
from stepiq.execution.records.run import StepRecord
from stepiq.runs import schemas, service
from stepiq.runs.records import Run
from stepiq.store.database import Database

_STEPS = 10
_PART_BYTES = 256 * 1024
"""Steps, or bytes of JSON, that are serialized before other tasks have a turn."""
_places = FairSemaphore(4, share=2, reserve=1)
"""Responses with steps that are built at the same time. Each needs several times its size in memory."""


async def whole(
    database: Database, actor: Actor, run_id: UUID, *, urgent: bool = False
) -> Response:
    """A `RunDetail` with the steps of a run. `urgent` as in `Database.reading`.

    Raises:
        RunNotFound: the actor's workspace has no such run.
    """
    async with database.reading(urgent=urgent) as session:
        # Without a store, requests must not wait for each other.
        await service.progress(session, actor, run_id)
    async with _places.place(actor.workspace_id, urgent=urgent):
        return await detail(await service.read(database, actor, run_id, urgent=urgent))


async def detail(run: Run) -> Response:
    """A `RunDetail`. Other tasks have turns while it is serialized."""
    fields = schemas.run_view(run).model_dump_json().removesuffix("}")
    parts = [f'{fields},"steps":['.encode()]
    size = 0
    for number, step in enumerate(run.steps, 1):
        text = _step(step)
        parts += (b",", text) if number > 1 else (text,)
        size += len(text)
        if size >= _PART_BYTES or number % _STEPS == 0:
            size = 0
            await asyncio.sleep(0)
    return _json(b"".join((*parts, b"]}")))


def _step(step: StepRecord) -> bytes:
    """A `StepView`. Its output is not parsed: this would take half a second for a run, and hundreds of megabytes."""
    output = step.output
    if not isinstance(output, SerializedJson):
        return schemas.step_view(step).model_dump_json().encode()
    text = schemas.step_view(replace(step, output=None)).model_dump_json()
    # Quotes in texts are escaped, so the first match is the field.
    before, name, after = text.partition('"output":')
    return f"{before}{name}{output}{after.removeprefix('null')}".encode()


def brief(run: Run) -> Response:
    """A `RunBrief`."""
    return _json(schemas.brief(run).model_dump_json())


def _json(text: str | bytes) -> Response:
    return Response(text, media_type="application/json")
