"""Condition: finds the first true case; the interpreter executes the jump."""

from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.expressions import ExpressionError
from stepiq.steps.condition.spec import ConditionSpec


async def run(spec: ConditionSpec, context: StepContext) -> Outcome:
    """Evaluate the cases in order until one is true."""
    for index, case in enumerate(spec.cases):
        try:
            is_true = await offload.decide(case.condition, context.scope)
        except ExpressionError as error:
            return Failed(FailureCode(error.code), error.message, field=f"cases[{index}].if")
        if is_true:
            return Completed({"matched": index, "goto": case.jump.target})
    return Completed({"matched": None, "goto": spec.otherwise.target})
