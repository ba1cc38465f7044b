"""The step types that run. A new one is a module here and a line in `KINDS`."""

from stepiq.language.specs import StepType
from stepiq.language.steps import (
    code,
    condition,
    human_review,
    llm,
    parallel,
    transform,
    wait,
    webhook,
)
from stepiq.language.steps.kinds import StepKind

KINDS: dict[StepType, StepKind] = {
    kind.type: kind
    for kind in (
        llm.KIND,
        transform.KIND,
        condition.KIND,
        parallel.KIND,
        webhook.KIND,
        human_review.KIND,
        wait.KIND,
        code.KIND,
    )
}
