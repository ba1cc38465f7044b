"""Reads `steps`: the fields of every step, and those of its type."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import cache

from stepiq.core.json import Json
from stepiq.language.corrections import entry_correction
from stepiq.language.data import is_object, kind_of
from stepiq.language.jumps import GOTO, JUMP_FIELDS, MAX_CASES, read_case, read_jump
from stepiq.language.places import Path
from stepiq.language.reports import PIPELINE, FieldReader, Report
from stepiq.language.specs import (
    Case,
    OnError,
    OutputFormat,
    Retry,
    Step,
    StepSpec,
)
from stepiq.language.step_types import (
    DEFAULT,
    LATER,
    Entry,
    StepType,
    packages,
    report_failure,
    step_types,
    unusable_types,
)
from stepiq.language.words import listed

MAX_STEPS = 100
"""Most steps in a definition, nested ones included."""
COMMON = frozenset(
    {
        "id",
        "name",
        "type",
        "if",
        "timeout_seconds",
        "retry",
        "on_error",
        "on_condition",
        "output_format",
    }
)
"""Fields that every step has."""
RETRY_FIELDS = ("max_attempts", "backoff_ms", "factor", "max_backoff_ms", "on_timeout")
CONDITION_FIELDS = ("if", *JUMP_FIELDS)
MAX_NAME = 200
MAX_ATTEMPTS = 10
MAX_BACKOFF_MS = 3_600_000
MAX_FACTOR = 10
DEFAULT_BACKOFF_MS = 1_000
DEFAULT_FACTOR = 2.0
DEFAULT_MAX_BACKOFF_MS = 60_000
ON_ERROR = ("fail", "continue")
_SPEC_FACTS = tuple(name for name in vars(StepSpec) if not name.startswith("_"))
_STEP = "{id: hello, prompt: Say hello}"
_CASE = "{if: steps.review.output.score < 8, goto: draft}"


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


def read_steps(fields: FieldReader) -> tuple[Step, ...]:
    """Read all valid steps; problems in the others are reported."""
    if not fields.require("steps", "steps: [{id: hello, prompt: Say hello}]"):
        return ()
    entries = fields.items("steps", 1, MAX_STEPS)
    path = (*fields.path, "steps")
    steps = _read_entries(
        fields.draft, [((*path, index), entry) for index, entry in enumerate(entries or ())]
    )
    count = sum(1 for step in steps for _ in _each(step))
    if count > MAX_STEPS:
        message = f"The definition has {count} steps, including those inside other steps. The maximum is {MAX_STEPS}."
        fields.refuse("steps", "too_long", message)
    return steps


def _each(step: Step) -> list[Step]:
    inner = [found for steps in step.sequences for child in steps for found in _each(child)]
    return [step, *inner]


def _read_entries(draft: Report, entries: Sequence[Entry]) -> tuple[Step, ...]:
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
    fields = FieldReader(draft, path, data, COMMON | step_type.fields, step_type.later)
    step_id = fields.step_id()
    name = fields.text("name", minimum=1, maximum=MAX_NAME)
    condition = fields.condition("if")
    timeout = _read_timeout(fields, type_name, step_type)
    retry = _read_retry(fields, step_type)
    on_error = _read_on_error(fields)
    on_condition = _read_on_condition(fields)
    output_format = fields.choice("output_format", [option.value for option in OutputFormat])
    spec = _read_spec(fields, type_name, step_type)
    if step_id is None or spec is None:
        return None
    return Step(
        id=step_id,
        name=name or step_id,
        type=type_name,
        timeout=timeout,
        retry=retry,
        output_format=_output_format(output_format, spec),
        spec=spec,
        condition=condition,
        on_error=on_error,
        on_condition=on_condition,
    )


def _read_spec(fields: FieldReader, type_name: str, step_type: StepType) -> StepSpec | None:
    try:
        spec = step_type.read(fields, _read_entries)
        if spec is not None:
            _check_spec(spec)
    except Exception:
        report_failure(type_name, "read")
        message = (
            f"The step type `{type_name}` cannot read this step, because its package {packages()[type_name]} has an error. "
            "The log of the server shows it. Report it to the authors of the package."
        )
        fields.draft.refuse(fields.path, "step_type_failed", message)
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
    written = probe.choice("type", types.keys() | LATER | unusable.keys(), offered=types)
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
        probe.refuse_later("type", f"the step type `{written}`")
        return None
    return written


def _read_timeout(fields: FieldReader, type_name: str, step_type: StepType) -> timedelta | None:
    if step_type.timeout is None:
        if fields.has("timeout_seconds") and "timeout_seconds" not in step_type.fields:
            where = "its inner steps" if step_type.contains_steps else "the pipeline"
            message = f"A `{type_name}` step has no `timeout_seconds`. Set it for {where}, and remove it here."
            fields.refuse("timeout_seconds", "conflict", message)
        return None
    seconds = fields.integer("timeout_seconds", 1, int(step_type.longest_timeout.total_seconds()))
    return step_type.timeout if seconds is None else timedelta(seconds=seconds)


def _read_retry(fields: FieldReader, step_type: StepType) -> Retry:
    inner = fields.inner("retry", RETRY_FIELDS)
    if inner is None:
        return Retry(step_type.max_attempts)
    attempts = inner.integer("max_attempts", 1, MAX_ATTEMPTS)
    backoff = inner.integer("backoff_ms", 0, MAX_BACKOFF_MS)
    factor = inner.number("factor", 1, MAX_FACTOR)
    longest = inner.integer("max_backoff_ms", 0, MAX_BACKOFF_MS)
    return Retry(
        max_attempts=step_type.max_attempts if attempts is None else attempts,
        backoff=timedelta(milliseconds=DEFAULT_BACKOFF_MS if backoff is None else backoff),
        factor=DEFAULT_FACTOR if factor is None else factor,
        max_backoff=timedelta(milliseconds=DEFAULT_MAX_BACKOFF_MS if longest is None else longest),
        on_timeout=bool(inner.boolean("on_timeout")),
    )


def _read_on_error(fields: FieldReader) -> OnError:
    if isinstance(fields.raw("on_error"), dict):
        inner = fields.inner("on_error", JUMP_FIELDS)
        assert inner is not None  # noqa: S101 - it is a mapping
        inner.require("goto", "on_error: {goto: fallback}")
        return OnError(goes_on=True, jump=read_jump(inner, "on_error"))
    written = fields.raw("on_error")
    if written == "retry":
        message = (
            "`on_error` cannot be `retry`. To retry the step, write `retry: {max_attempts: 3}`."
        )
        fields.refuse("on_error", "not_allowed", message)
        return OnError()
    if isinstance(written, str) and written in fields.draft.step_ids:
        message = f"`on_error` cannot be `{written}`. To go to that step, write `on_error: {{goto: {written}}}`."
        fields.refuse("on_error", "not_allowed", message)
        return OnError()
    return OnError(
        goes_on=fields.choice("on_error", ON_ERROR, offered=(*ON_ERROR, GOTO)) == "continue"
    )


def _read_on_condition(fields: FieldReader) -> tuple[Case, ...]:
    entries = fields.entries("on_condition", 1, MAX_CASES, CONDITION_FIELDS, _CASE)
    cases = [
        read_case(entry, f"on_condition[{index}]", is_after=True)
        for index, entry in enumerate(entries or ())
    ]
    return tuple(case for case in cases if case is not None)


def _output_format(written: str | None, spec: StepSpec) -> OutputFormat:
    if spec.makes_json:
        return OutputFormat.JSON
    return OutputFormat(written or OutputFormat.TEXT)
