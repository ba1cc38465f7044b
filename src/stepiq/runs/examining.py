"""Validates what a request sends before the transaction that uses it.

A large value takes up to 0.2 seconds to validate, and may have to wait for others. On SQLite, a transaction that writes
blocks all others. On PostgreSQL, it holds one of the process's connections. Refusals keep their order: the transaction
checks everything else first, and then takes the result or the error from here. It validates again only if the version
or the input has changed in the meantime, or if the version was compiled again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from stepiq.core.errors import StepIQError
from stepiq.core.json import Json, dumps
from stepiq.execution.admission import given_outputs
from stepiq.execution.admission.given_outputs import UNCHECKED, OutputIssues
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.schemas.work import ValidationMeter
from stepiq.store.database import Database, Session


@dataclass(frozen=True, slots=True)
class Unvalidated:
    """What a transaction has to validate."""

    definition: Definition
    input_data: Mapping[str, Json]
    outputs: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Outputs of steps, as in `given_outputs`."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was validated before the transaction."""

    given: Unvalidated
    result: dict[str, Json] | InputInvalid
    """The input with defaults, or the error."""
    outputs: OutputIssues
    text: str
    """The input as JSON."""


async def examine(
    database: Database, find: Callable[[Session], Awaitable[Unvalidated | None]]
) -> Examined | None:
    """Validate before a transaction what it will need.

    Returns None if the transaction will be refused.

    Args:
        database: the store.
        find: reads in a transaction of its own what will be validated, without locks. Its errors are ignored: the
            transaction that follows raises them.
    """
    try:
        async with database.reading() as session:
            given = await find(session)
    except StepIQError:
        return None
    return None if given is None else await _examined(given)


async def valid_input(
    definition: Definition, input_data: Mapping[str, Json], examined: Examined | None
) -> dict[str, Json]:
    """The input with defaults, inside a transaction. `examined` is used if it is of this version and this input.

    Raises:
        InputInvalid: it does not match the schema; one issue per field.
    """
    if examined is None or not _is_of(examined, definition, input_data):
        return await offload.validate_apart(definition.input, input_data)
    if isinstance(examined.result, InputInvalid):
        raise examined.result
    return examined.result


def checked_outputs(definition: Definition, examined: Examined | None) -> OutputIssues:
    """The results of the checks of outputs, if they are of this version."""
    if examined is None or examined.given.definition is not definition:
        return UNCHECKED
    return examined.outputs


async def _examined(given: Unvalidated) -> Examined:
    outputs = await offload.metered(
        lambda meter: given_outputs.check(given.definition, given.outputs, meter), ValidationMeter
    )
    text = dumps(dict(given.input_data))
    try:
        result = await offload.validate(given.definition.input, given.input_data)
    except InputInvalid as error:
        return Examined(given, error, outputs, text)
    return Examined(given, result, outputs, text)


def _is_of(examined: Examined, definition: Definition, input_data: Mapping[str, Json]) -> bool:
    if examined.given.definition is not definition:
        return False
    # As text, because `1`, `1.0` and `True` are equal. A stored input was read twice, so it is not the same object.
    return examined.given.input_data is input_data or examined.text == dumps(dict(input_data))
