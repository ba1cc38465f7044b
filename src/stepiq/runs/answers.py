"""Responses with a run and its steps. A run can have 50,000 of them."""

import asyncio

from fastapi import Response

from stepiq.accounts.actor import Actor, Scope
from stepiq.runs import schemas
from stepiq.runs.records import Run

_STEPS = 10
_PART_CHARACTERS = 256 * 1024
"""Steps, or characters of JSON, that are serialized before other tasks have a turn."""


async def detail(run: Run) -> Response:
    """A `RunDetail`. Other tasks have turns while it is serialized."""
    steps: list[str] = []
    size = 0
    for number, step in enumerate(run.steps, 1):
        text = schemas.step_view(step).model_dump_json()
        steps.append(text)
        size += len(text)
        if size >= _PART_CHARACTERS or number % _STEPS == 0:
            size = 0
            await asyncio.sleep(0)
    fields = schemas.run_view(run).model_dump_json().removesuffix("}")
    return _json(f'{fields},"steps":[{",".join(steps)}]}}')


async def detail_for(actor: Actor, run: Run) -> Response:
    """`detail`, or a `RunBrief` if the caller has no right to read runs."""
    if Scope.PIPELINES_READ in actor.scopes:
        return await detail(run)
    return brief(run)


def brief(run: Run) -> Response:
    """A `RunBrief`."""
    return _json(schemas.brief(run).model_dump_json())


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
