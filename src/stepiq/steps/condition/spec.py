"""`condition`: jumps to the target of the first true case."""

from dataclasses import dataclass

from stepiq.core.json import Json, as_object
from stepiq.language.definitions.step import (
    MAX_CASES,
    NEXT,
    Case,
    Jump,
    Step,
    StepSpec,
    simple_jump,
)
from stepiq.language.definitions.step_types import StepType
from stepiq.language.fields.description import objects
from stepiq.language.schemas.validation import STRING_FIELD, Schema, record

_EXAMPLE = "{if: input.urgent, goto: escalate}"


@dataclass(frozen=True, slots=True)
class ConditionSpec(StepSpec):
    """Chooses the next step."""

    is_pure = True

    cases: tuple[Case, ...] = objects(
        "Cases", "The first case that is true is used.", Case, 1, MAX_CASES, _EXAMPLE
    ).required(f"cases: [{_EXAMPLE}]")
    otherwise: Jump = simple_jump("The next step if no case is true.", "else").default(
        Jump(NEXT, "else"), name="else", shown=NEXT
    )

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        return (*(case.jump for case in self.cases), self.otherwise)

    def leads_to(self, output: Json) -> Jump | None:
        matched = as_object(output)["matched"]
        return self.cases[matched].jump if isinstance(matched, int) else self.otherwise


def _output(step: Step) -> Schema:
    cases = step.spec.cases if isinstance(step.spec, ConditionSpec) else ()
    return record(matched={"enum": [None, *range(len(cases))]}, goto=STRING_FIELD)


STEP_TYPE = StepType(
    ConditionSpec,
    "Chooses the next step.",
    snippet={
        "id": "${1:route}",
        "type": "condition",
        "cases": [{"if": "${2:1 < 2}", "goto": "${3:end}"}],
        "else": "${4:next}",
    },
    output_fields=frozenset({"matched", "goto"}),
    output=_output,
    decisive_fields=frozenset({"matched", "goto"}),
)
