"""Reads `steps`: the fields of every step, and those of its type."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from stepiq.core.json import Json
from stepiq.language.data import is_object, kind_of
from stepiq.language.definitions.step import Retry, Step, StepSpec
from stepiq.language.definitions.step_types import (
    DEFAULT,
    LATER,
    StepType,
    packages,
    report_failure,
    step_types,
    unusable_types,
)
from stepiq.language.fields import description as fields
from stepiq.language.fields.description import Field
from stepiq.language.fields.reader import PIPELINE, FieldReader, Report, entry_correction
from stepiq.language.places import Path
from stepiq.language.words import listed

Entry = tuple[Path, Json]
"""The data of a step, not yet validated, and its path."""
MAX_STEPS = 100
"""Most steps in a definition, nested ones included."""
COMMON = frozenset({*fields.nodes_of(Step), "type", "timeout_seconds"})
"""Fields that every step has."""
_SPEC_FACTS = tuple(name for name in vars(StepSpec) if not name.startswith("_"))
_STEP = "{id: hello, prompt: Say hello}"


@cache
def homes(document: Collection[str]) -> dict[str, str]:
    """The object that each field belongs to, for messages about misplaced fields."""
    types: dict[str, list[str]] = {}
    for type_name, step_type in step_types().items():
        for name in step_type.fields:
            types.setdefault(name, []).append(f"`{type_name}`")
    found = {name: f"{listed(names)} steps" for name, names in types.items()}
    found |= dict.fromkeys(COMMON - {"name", "timeout_seconds"}, "steps")
    for name in document:
        found[name] = f"{PIPELINE} and of {found[name]}" if name in found else PIPELINE
    return found


def read_steps(reader: FieldReader) -> tuple[Step, ...]:
    """Read all valid steps; problems in the others are reported."""
    if not reader.require("steps", "steps: [{id: hello, prompt: Say hello}]"):
        return ()
    entries = reader.items("steps", 1, MAX_STEPS)
    path = (*reader.path, "steps")
    steps = read_entries(
        reader.draft, [((*path, index), entry) for index, entry in enumerate(entries or ())]
    )
    count = sum(1 for step in steps for _ in _each(step))
    if count > MAX_STEPS:
        message = f"The definition has {count} steps, including those inside other steps. The maximum is {MAX_STEPS}."
        reader.refuse("steps", "too_long", message)
    return steps


def _each(step: Step) -> list[Step]:
    inner = [found for steps in step.sequences for child in steps for found in _each(child)]
    return [step, *inner]


def read_entries(draft: Report, entries: Sequence[Entry]) -> tuple[Step, ...]:
    """Read the valid ones of these steps; problems in the others are reported."""
    steps: list[Step] = []
    for path, entry in entries:
        if draft.is_full:
            break
        if not is_object(entry):
            message = f"A step must be an object with an `id`; it is {kind_of(entry)}.{entry_correction(entry, _STEP)}"
            draft.refuse(path, "wrong_type", message)
            continue
        step = _read_step(draft, path, entry)
        if step is not None:
            steps.append(step)
    return tuple(steps)


def _read_step(draft: Report, path: Path, data: dict[str, Json]) -> Step | None:
    type_name = _read_type(draft, path, data)
    if type_name is None:
        return None
    step_type = step_types()[type_name]
    reader = FieldReader(draft, path, data, COMMON | step_type.fields, step_type.later)
    values = fields.read_values(Step, reader)
    limit = _read_timeout(reader, type_name, step_type)
    spec = _read_spec(reader, type_name, step_type)
    if values is None or spec is None:
        return None
    retry = values.setdefault("retry", Retry())
    if not retry.max_attempts:
        values["retry"] = replace(retry, max_attempts=step_type.max_attempts)
    return Step(type=type_name, timeout=limit, spec=spec, **values)


def _read_spec(reader: FieldReader, type_name: str, step_type: StepType) -> StepSpec | None:
    try:
        spec = step_type.spec.read(reader)
        if spec is not None:
            _check_spec(spec)
    except Exception:
        report_failure(type_name, "read")
        message = (
            f"The step type `{type_name}` cannot read this step, because its package {packages()[type_name]} has an error. "
            "The log of the server shows it. Report it to the authors of the package."
        )
        reader.draft.refuse(reader.path, "step_type_failed", message)
        return None
    return spec


def _check_spec(spec: object) -> None:
    """Raise what the code of a package raises, which must not happen later, outside of the step."""
    if not isinstance(spec, StepSpec):
        raise TypeError(f"`read` returned {type(spec).__name__}, not a StepSpec.")
    for name in _SPEC_FACTS:
        getattr(spec, name)


def _read_type(draft: Report, path: Path, data: dict[str, Json]) -> str | None:
    # The allowed fields depend on the type, so the type is read first.
    probe = FieldReader(draft, path, {"type": data.get("type")}, ("type",))
    types, unusable = step_types(), unusable_types()
    written = fields.read_word(probe, "type", types.keys() | LATER | unusable.keys(), types)
    if written is None:
        return None if probe.has("type") else DEFAULT
    if written in unusable:
        package = packages()[written].distribution
        message = (
            f"The step type `{written}` cannot be used, because its package {package} cannot be imported. "
            "`stepiq doctor` on the server shows the reason."
        )
        probe.refuse("type", "step_type_unusable", message)
        return None
    if written not in types:
        probe.refuse_later("type", f"the step type `{written}`", LATER[written])
        return None
    return written


@cache
def timeout(step_type: StepType) -> Field[timedelta]:
    """The time limit of one attempt of a step, for types that have one."""
    longest = int(step_type.longest_timeout.total_seconds())
    description = "Maximum time of one attempt, in seconds."
    return fields.seconds("Time limit", description, 1, longest)


def _read_timeout(reader: FieldReader, type_name: str, step_type: StepType) -> timedelta | None:
    if step_type.timeout is None:
        if reader.has("timeout_seconds") and "timeout_seconds" not in step_type.fields:
            where = "its inner steps" if step_type.contains_steps else "the pipeline"
            message = f"A `{type_name}` step has no `timeout_seconds`. Set it for {where}, and remove it here."
            reader.refuse("timeout_seconds", "conflict", message)
        return None
    if not reader.has("timeout_seconds"):
        return step_type.timeout
    return timeout(step_type).read(reader, "timeout_seconds") or step_type.timeout
