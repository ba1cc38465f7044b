"""The step types that run. A new one is a module here and a line in `KINDS`."""

from stepiq.language.definition import StepType
from stepiq.language.steps import llm, transform
from stepiq.language.steps.kinds import StepKind

KINDS: dict[StepType, StepKind] = {kind.type: kind for kind in (llm.KIND, transform.KIND)}
