"""`condition`: jumps to the target of the first true case."""

from dataclasses import dataclass

from stepiq.core.json import Json, as_object
from stepiq.language.jumps import MAX_CASES, read_case
from stepiq.language.reports import FieldReader
from stepiq.language.schemas import Schema
from stepiq.language.shapes import STRING_FIELD, record
from stepiq.language.specs import NEXT, Case, Jump, Step, StepSpec
from stepiq.language.step_types import ReadSteps, StepType

CASE_FIELDS = ("if", "goto")
_EXAMPLE = "{if: input.urgent, goto: escalate}"


@dataclass(frozen=True, slots=True)
class ConditionSpec(StepSpec):
    """Chooses the next step."""

    is_pure = True

    cases: tuple[Case, ...]
    otherwise: Jump

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        return (*(case.jump for case in self.cases), self.otherwise)

    def leads_to(self, output: Json) -> Jump | None:
        matched = as_object(output)["matched"]
        return self.cases[matched].jump if isinstance(matched, int) else self.otherwise


def _read(fields: FieldReader, _: ReadSteps) -> ConditionSpec | None:
    fields.require("cases", f"cases: [{_EXAMPLE}]")
    entries = fields.entries("cases", 1, MAX_CASES, CASE_FIELDS, _EXAMPLE)
    cases: list[Case] = []
    for index, entry in enumerate(entries or ()):
        case = read_case(entry, f"cases[{index}]")
        if case is not None:
            cases.append(case)
    otherwise = fields.goto("else") or NEXT
    if entries is None or len(cases) != len(entries):
        return None
    return ConditionSpec(tuple(cases), Jump(otherwise, "else"))


def _output(step: Step) -> Schema:
    cases = step.spec.cases if isinstance(step.spec, ConditionSpec) else ()
    return record(matched={"enum": [None, *range(len(cases))]}, goto=STRING_FIELD)


STEP_TYPE = StepType(
    fields=frozenset({"cases", "else"}),
    read=_read,
    output_fields=frozenset({"matched", "goto"}),
    output=_output,
    decisive_fields=frozenset({"matched", "goto"}),
)
