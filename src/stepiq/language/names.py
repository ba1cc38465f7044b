"""Checks that every name in a template means something, before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepiq.language.drafts import Draft, PlacedTemplate, Problem, suggest
from stepiq.language.templates import Reference

ROOT_NAMES = ("input", "vars", "steps", "env", "run")
RUN_FIELDS = ("id", "trigger_type", "started_at")
STEP_FIELDS = ("output", "status")
NEVER_PRESENT = "never_present"
"""Code of the warning for a value that is asked for with a fallback but can never be there."""
_SCALAR_TYPES = ("string", "integer", "number", "boolean")
_LATER_NAMES = ("item", "index")


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What a document declares."""

    inputs: frozenset[str] | None
    """None: any field may come."""
    input_types: Mapping[str, str]
    variables: frozenset[str]
    steps: Sequence[str]
    """Ids in the order written, an empty one for a step whose id cannot be used."""
    text_steps: frozenset[str]
    """Ids of steps whose output is text, which has no fields."""


Finding = tuple[str, str]
"""Code and sentence."""


def check_templates(draft: Draft, names: KnownNames) -> None:
    """Note every reference that cannot be met."""
    for placed in draft.templates:
        reader = placed.path[1] if placed.path[:1] == ("steps",) else None
        position = reader if isinstance(reader, int) else len(names.steps)
        for reference in placed.template.references:
            if draft.is_full:
                return
            finding = _check(reference, names, position)
            if finding is not None:
                # What may be missing still renders, so it is worth a word but no refusal.
                found = draft.warnings if finding[0] == NEVER_PRESENT else draft.problems
                found.append(_problem(placed, reference, finding))


def _problem(placed: PlacedTemplate, reference: Reference, finding: Finding) -> Problem:
    line, column = placed.template.locate(reference.offset)
    return Problem(placed.path, *finding, inside=(placed.template.source, line, column))


def _check(reference: Reference, names: KnownNames, position: int) -> Finding | None:
    if not reference.parts:
        return None
    root, *rest = reference.parts
    match root:
        case "input":
            return _check_input(rest, names)
        case "vars":
            return _check_variable(rest, names)
        case "steps":
            return _check_step(rest, names, position, optional=reference.optional)
        case "run":
            return _check_run(rest)
        case _:
            return _refuse_root(root, names)


def _refuse_root(root: str, names: KnownNames) -> Finding:
    shown = root[:60]
    if root in _LATER_NAMES:
        return "unknown_name", f"`{shown}` exists only inside a `for_each`."
    if names.inputs and root in names.inputs:
        return "unknown_name", f"`{shown}` is a field of the input: write `input.{shown}`."
    if root in names.variables:
        return "unknown_name", f"`{shown}` is a variable: write `vars.{shown}`."
    if root in names.steps:
        return "unknown_name", f"`{shown}` is a step: write `steps.{shown}.output`."
    return "unknown_name", f"Nothing is called `{shown}`. {suggest(root, ROOT_NAMES)}"


def _check_input(rest: Sequence[str], names: KnownNames) -> Finding | None:
    if not rest or names.inputs is None:
        return None
    if rest[0] not in names.inputs:
        hint = suggest(rest[0], names.inputs)
        return "unknown_input", f"`input.schema` declares no field `{rest[0][:60]}`. {hint}"
    kind = names.input_types.get(rest[0])
    if len(rest) > 1 and kind in _SCALAR_TYPES:
        return "no_such_field", f"`input.{rest[0]}` is of type {kind}, which has no fields."
    return None


def _check_variable(rest: Sequence[str], names: KnownNames) -> Finding | None:
    if not rest:
        return None
    if rest[0] not in names.variables:
        hint = suggest(rest[0], names.variables)
        return "unknown_variable", f"`variables` has no `{rest[0][:60]}`. {hint}"
    if len(rest) > 1:
        return "no_such_field", f"`vars.{rest[0]}` is a single value, which has no fields."
    return None


def _check_step(
    rest: Sequence[str], names: KnownNames, position: int, *, optional: bool
) -> Finding | None:
    if not rest:
        return None
    step_id, *fields = rest
    if step_id not in names.steps:
        hint = suggest(step_id, [known for known in names.steps if known])
        return "unknown_step", f"There is no step `{step_id[:64]}`. {hint}"
    target = names.steps.index(step_id)
    if target >= position:
        when = "is this very step" if target == position else "runs only after this one"
        return "step_not_before", f"Step `{step_id}` {when}, so it has no output to read here."
    if fields and fields[0] not in STEP_FIELDS:
        return (
            "no_such_field",
            f"A step has no `{fields[0][:60]}`. Write `steps.{step_id}.output` or `steps.{step_id}.status`.",
        )
    if len(fields) > 1 and fields[0] == "status":
        return "no_such_field", f"`steps.{step_id}.status` is text, which has no fields."
    if len(fields) > 1 and step_id in names.text_steps:
        return (
            NEVER_PRESENT if optional else "no_such_field",
            f"Step `{step_id}` gives text, which has no fields. Give it `output_format: json` to read `{fields[1][:60]}`.",
        )
    return None


def _check_run(rest: Sequence[str]) -> Finding | None:
    if not rest:
        return None
    if rest[0] not in RUN_FIELDS:
        return "unknown_name", f"`run` has no `{rest[0][:60]}`. {suggest(rest[0], RUN_FIELDS)}"
    if len(rest) > 1:
        return "no_such_field", f"`run.{rest[0]}` is a single value, which has no fields."
    return None
