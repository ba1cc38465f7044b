"""Code: runs the author's function in a sandbox."""

from datetime import timedelta

from stepiq.core.json import Json
from stepiq.engine import aside
from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.engine.sandbox.outcomes import CodeFailed
from stepiq.engine.work import Work
from stepiq.language.expressions import ExpressionError
from stepiq.language.specs import CodeSpec

_DEFAULT_NAMES = ("input", "vars", "steps")
_LONGEST = timedelta(seconds=30)


async def prepare(work: Work, spec: CodeSpec) -> dict[str, Json] | Failed:
    """What `main` is given."""
    if spec.input is None:
        return {name: work.scope[name] for name in _DEFAULT_NAMES}
    given: dict[str, Json] = {}
    for name, expression in spec.input:
        try:
            given[name] = await aside.evaluate(expression, work.scope)
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field=f"input.{name}")
    return given


async def attempt(work: Work, spec: CodeSpec, given: dict[str, Json]) -> Outcome:
    """Run it once."""
    ran = await work.means.sandbox.run(
        spec.language,
        spec.source,
        given,
        timeout=work.step.timeout or _LONGEST,
        log=lambda line: work.note("info", line),
    )
    if isinstance(ran, CodeFailed):
        return Failed(FailureCode(ran.code), ran.message)
    return Completed(ran.output)
