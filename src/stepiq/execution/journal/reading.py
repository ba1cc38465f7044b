"""Reads recorded runs, whose values come from the store as text.

Parsing the values of one run can take half a second, and a process claims many runs at once. So values are parsed when
they are needed, one at a time.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import json
from stepiq.core.json import SerializedJson
from stepiq.execution.journal import statements
from stepiq.execution.limits import usage
from stepiq.execution.records.rows import CLAIMED, claimed, unread_step
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.language import offload
from stepiq.store.database import Session
from stepiq.store.tables import runs

_CHARACTERS = 64 * 1024
"""How much short text is parsed before `turn` is awaited; about 2 ms."""
_FIXED_CHARACTERS = 500
"""Added for each value, because parsing a short one takes time, too."""


async def load(session: Session, wanted: Mapping[UUID, ClaimedRun]) -> None:
    """Add the recorded steps to runs, by id. Their outputs are `SerializedJson` until `read_outputs`."""
    if not wanted:
        return
    for row in await session.execute(statements.STEPS, {"ids": list(wanted)}):
        run = wanted[row.run_id]
        record = unread_step(row)
        run.add(record)
        if record.model is not None and usage.has_used(record.meter):
            run.models.add(record.model)


async def recorded(session: Session, run_id: UUID) -> ClaimedRun | None:
    """A run with its recorded steps, without claiming it. The caller must have checked access to the run.

    Its values are `SerializedJson` until `read_input` and `read_outputs`.
    """
    row = (await session.execute(sa.select(*CLAIMED).where(runs.c.id == run_id))).one_or_none()
    if row is None:
        return None
    run = claimed(row)
    await load(session, {run_id: run})
    return run


async def read_input(run: ClaimedRun) -> None:
    """Parse the input of a run."""
    if isinstance(run.input_data, SerializedJson):
        run.input_data = await offload.read(json.read_trusted, run.input_data)


async def read_outputs(records: Iterable[StepRecord], turn: Callable[[], Awaitable[None]]) -> None:
    """Parse the outputs of steps, which must not change meanwhile. After about 2 ms of work, it awaits `turn`."""
    characters = 0
    for record in records:
        text = record.output
        if not isinstance(text, SerializedJson):
            continue
        record.output_bytes = text.size_bytes
        record.output = await offload.read(json.read_trusted, text)
        characters += _FIXED_CHARACTERS + min(len(text), offload.INLINE_CHARACTERS)
        if characters >= _CHARACTERS:
            characters = 0
            await turn()
