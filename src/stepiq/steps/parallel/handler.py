"""Parallel: creates the branches of the step, which the interpreter executes."""

from functools import partial

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Failed, FailureCode, Fork, ForkBranch
from stepiq.language import offload
from stepiq.language.data import is_array, kind_of
from stepiq.language.expressions import ExpressionError
from stepiq.steps.parallel.spec import BranchError, Merge, ParallelSpec

MAX_ITEMS = 10_000
"""Maximum number of items of one `for_each`."""


async def run(spec: ParallelSpec, context: StepContext) -> Fork | Failed:
    """Return the branches as written, or one for each item of the list."""
    branches = await _branches(spec, context)
    if isinstance(branches, Failed):
        return branches
    return Fork(
        branches,
        max_concurrency=spec.max_concurrency,
        merge=partial(_merge, spec),
        stops_at_failure=spec.on_branch_error is BranchError.FAIL,
        state_names=[branch.id for branch in spec.branches],
        counts_each=spec.for_each is not None,
    )


async def _branches(spec: ParallelSpec, context: StepContext) -> list[ForkBranch] | Failed:
    if spec.for_each is None:
        return [ForkBranch(branch.steps, {}) for branch in spec.branches]
    try:
        items = await offload.evaluate(spec.for_each, context.scope)
    except ExpressionError as error:
        return Failed(FailureCode(error.code), error.message, field="for_each")
    if not is_array(items):
        return Failed(
            FailureCode.INPUT_INVALID,
            f"The value must be a list, but it is {kind_of(items)}.",
            field="for_each",
        )
    if len(items) > MAX_ITEMS:
        return Failed(
            FailureCode.INPUT_INVALID,
            f"The list has {len(items):,} items, but the maximum is {MAX_ITEMS:,}. Split the list over several runs.",
            field="for_each",
        )
    return [
        ForkBranch(spec.body, {"item": item, "index": index}, f"item {index}")
        for index, item in enumerate(items)
    ]


def _merge(spec: ParallelSpec, outputs: list[Json]) -> Json:
    match spec.merge:
        case Merge.ARRAY:
            return outputs
        case Merge.TEXT:
            return "\n\n".join(_text(output) for output in outputs if output is not None)
        case Merge.OBJECT:
            names = [branch.id for branch in spec.branches] or map(str, range(len(outputs)))
            return dict(zip(names, outputs, strict=True))


def _text(output: Json) -> str:
    return output if isinstance(output, str) else json.dumps(output)
