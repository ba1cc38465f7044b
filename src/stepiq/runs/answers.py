"""Responses with a run and its steps. A run can have 50,000 of them."""

import asyncio

from fastapi import Response

from stepiq.accounts.actor import Actor, Scope
from stepiq.runs import schemas
from stepiq.runs.records import Run

_STEPS = 10
"""Steps that are serialized before others have a turn. Each can have an output and a prompt of 1 MiB."""


async def detail(run: Run) -> Response:
    """A `RunDetail`. Other tasks have turns while it is serialized."""
    steps: list[str] = []
    for start in range(0, len(run.steps), _STEPS):
        if start:
            await asyncio.sleep(0)
        part = run.steps[start : start + _STEPS]
        steps += [schemas.step_view(step).model_dump_json() for step in part]
    fields = schemas.run_view(run).model_dump_json().removesuffix("}")
    return _json(f'{fields},"steps":[{",".join(steps)}]}}')


async def detail_for(actor: Actor, run: Run) -> Response:
    """`detail`, or a `RunBrief` if the caller has no right to read runs."""
    if Scope.PIPELINES_READ in actor.scopes:
        return await detail(run)
    return _json(schemas.brief(run).model_dump_json())


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
