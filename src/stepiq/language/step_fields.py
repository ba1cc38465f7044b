"""Reads `steps`: the fields of every step, and those of its type."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from stepiq.core.json import Json
from stepiq.language.corrections import entry_correction
from stepiq.language.data import is_object, kind_of
from stepiq.language.jumps import GOTO, JUMP_FIELDS, MAX_CASES, read_case, read_jump
from stepiq.language.places import Path
from stepiq.language.reports import PIPELINE, FieldReader, Report
from stepiq.language.specs import (
    Case,
    LlmSpec,
    OnError,
    OutputFormat,
    Retry,
    Step,
    StepSpec,
    StepType,
)
from stepiq.language.steps.kinds import Entry, StepKind
from stepiq.language.steps.registry import KINDS
from stepiq.language.words import listed

MAX_STEPS = 100
"""Most steps in a definition, nested ones included."""
MAX_NESTING = 3
"""Deepest nesting of `parallel` steps."""
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
_STEP = "{id: hello, prompt: Say hello}"
_CASE = "{if: steps.review.output.score < 8, goto: draft}"


def homes(document: Collection[str]) -> dict[str, str]:
    """The object that each field belongs to, for messages about misplaced fields."""
    types: dict[str, list[str]] = {}
    for kind in KINDS.values():
        for name in kind.fields:
            types.setdefault(name, []).append(f"`{kind.type}`")
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
    kind = _read_kind(draft, path, data)
    if kind is None:
        return None
    fields = FieldReader(draft, path, data, COMMON | kind.fields, kind.later)
    step_id = fields.step_id()
    name = fields.text("name", minimum=1, maximum=MAX_NAME)
    condition = fields.condition("if")
    timeout = _read_timeout(fields, kind)
    retry = _read_retry(fields, kind)
    on_error = _read_on_error(fields)
    on_condition = _read_on_condition(fields)
    output_format = fields.choice("output_format", [option.value for option in OutputFormat])
    spec = _read_spec(fields, kind)
    if step_id is None or spec is None:
        return None
    return Step(
        id=step_id,
        name=name or step_id,
        type=kind.type,
        timeout=timeout,
        retry=retry,
        output_format=_output_format(output_format, spec),
        spec=spec,
        condition=condition,
        on_error=on_error,
        on_condition=on_condition,
    )


def _read_spec(fields: FieldReader, kind: StepKind) -> StepSpec | None:
    if kind.type is not StepType.PARALLEL:
        return kind.read(fields, _read_entries)
    draft = fields.draft
    if draft.nesting == MAX_NESTING:
        message = f"`parallel` steps can be nested at most {MAX_NESTING} levels deep. Move this one to an outer level."
        draft.refuse(fields.path, "too_deep", message)
        return None
    draft.nesting += 1
    spec = kind.read(fields, _read_entries)
    draft.nesting -= 1
    return spec


def _read_kind(draft: Report, path: Path, data: dict[str, Json]) -> StepKind | None:
    # The allowed fields depend on the type, so the type is read first.
    probe = FieldReader(draft, path, {"type": data.get("type")}, ("type",))
    written = probe.choice("type", [option.value for option in StepType], offered=KINDS)
    if written is None and probe.has("type"):
        return None
    step_type = StepType(written or StepType.LLM)
    kind = KINDS.get(step_type)
    if kind is None:
        probe.refuse_later("type", f"the step type `{step_type}`")
    return kind


def _read_timeout(fields: FieldReader, kind: StepKind) -> timedelta | None:
    if kind.timeout is None:
        if fields.has("timeout_seconds") and "timeout_seconds" not in kind.fields:
            where = "its inner steps" if kind.type is StepType.PARALLEL else "the pipeline"
            message = f"A `{kind.type}` step has no `timeout_seconds`. Set it for {where}, and remove it here."
            fields.refuse("timeout_seconds", "conflict", message)
        return None
    seconds = fields.integer("timeout_seconds", 1, int(kind.longest_timeout.total_seconds()))
    return kind.timeout if seconds is None else timedelta(seconds=seconds)


def _read_retry(fields: FieldReader, kind: StepKind) -> Retry:
    inner = fields.inner("retry", RETRY_FIELDS)
    if inner is None:
        return Retry(kind.max_attempts)
    attempts = inner.integer("max_attempts", 1, MAX_ATTEMPTS)
    backoff = inner.integer("backoff_ms", 0, MAX_BACKOFF_MS)
    factor = inner.number("factor", 1, MAX_FACTOR)
    longest = inner.integer("max_backoff_ms", 0, MAX_BACKOFF_MS)
    return Retry(
        max_attempts=kind.max_attempts if attempts is None else attempts,
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
    if isinstance(spec, LlmSpec) and spec.output_schema is not None:
        return OutputFormat.JSON
    return OutputFormat(written or OutputFormat.TEXT)
