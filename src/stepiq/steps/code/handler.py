"""Code: runs the author's function in a sandbox."""

from datetime import timedelta

from stepiq.core.json import Json
from stepiq.execution.calls.requests import RunCode
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.expressions import ExpressionError
from stepiq.steps.code.spec import CodeSpec

_DEFAULT_NAMES = ("input", "vars", "steps")
_LONGEST = timedelta(seconds=30)


async def run(spec: CodeSpec, context: StepContext) -> Outcome:
    """Call `main` in the sandbox."""
    given = await _arguments(context, spec)
    if isinstance(given, Failed):
        return given
    timeout = context.step.timeout or _LONGEST
    return Completed(await context.sandbox(RunCode(spec.language, spec.source, given, timeout)))


async def _arguments(context: StepContext, spec: CodeSpec) -> dict[str, Json] | Failed:
    """The argument of `main`."""
    if spec.input is None:
        return {name: context.scope[name] for name in _DEFAULT_NAMES}
    given: dict[str, Json] = {}
    for name, expression in spec.input:
        try:
            given[name] = await offload.evaluate(expression, context.scope)
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field=f"input.{name}")
    return given
