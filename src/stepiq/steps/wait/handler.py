"""Wait: waits for a duration or until a time."""

from datetime import datetime, timedelta

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Waiting
from stepiq.language import offload
from stepiq.language.templates import TemplateError
from stepiq.steps.wait.spec import WaitSpec

LONGEST = timedelta(days=30)
_SHOWN_CHARACTERS = 100


async def run(spec: WaitSpec, context: StepContext) -> Waiting | Failed:
    """Wait. A step that resumes after a crash waits until the same time."""
    until = await _until(spec, context)
    if isinstance(until, Failed):
        return until
    output: Json = {"until": clock.iso(until)}
    return Waiting(until, lambda: Completed(output))


async def _until(spec: WaitSpec, context: StepContext) -> datetime | Failed:
    if spec.length is not None:
        return context.started_at + spec.length
    assert spec.until is not None  # noqa: S101 - a wait has one of the two
    try:
        text = (await offload.render(spec.until, context.scope)).strip()
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field="until")
    try:
        until = clock.parse(text)
    except (ValueError, OverflowError):
        return Failed(
            FailureCode.INPUT_INVALID,
            f"`{text[:_SHOWN_CHARACTERS]}` is not a time. Use one with a time zone, such as 2026-03-01T09:00:00Z.",
            field="until",
        )
    if until - context.started_at > LONGEST:
        return Failed(
            FailureCode.INPUT_INVALID,
            f"{clock.iso(until)} is more than {LONGEST.days} days away, which is the maximum.",
            field="until",
        )
    return until
