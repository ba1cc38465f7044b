"""Reads `steps`: the fields every step has, and by its type the rest."""

from collections.abc import Mapping
from datetime import timedelta

from stepiq.core.json import Json
from stepiq.language.data import is_object, kind_of
from stepiq.language.definition import LlmSpec, OutputFormat, Retry, Step, StepSpec, StepType
from stepiq.language.drafts import Draft, Fields
from stepiq.language.places import Path
from stepiq.language.steps.kinds import StepKind
from stepiq.language.steps.registry import KINDS

MAX_STEPS = 100
ID_PATTERN = r"[a-z0-9_]{1,64}"
_COMMON = frozenset({"id", "name", "type", "timeout_seconds", "retry", "on_error", "output_format"})
_LATER = frozenset({"if", "on_condition"})
_RETRY = ("max_attempts", "backoff_ms", "factor", "max_backoff_ms", "on_timeout")
_MAX_BACKOFF_MS = 3_600_000


def read_steps(fields: Fields) -> tuple[Step, ...]:
    """Every step that can be read; what is wrong with the others is noted."""
    if not fields.require("steps", "steps: [{id: hello, prompt: Say hello}]"):
        return ()
    entries = fields.items("steps", 1, MAX_STEPS)
    steps: list[Step] = []
    first_use: dict[str, int] = {}
    for index, entry in enumerate(entries or ()):
        path = (*fields.path, "steps", index)
        if not is_object(entry):
            message = f"A step is a mapping with an `id`; this is {kind_of(entry)}."
            fields.draft.refuse(path, "wrong_type", message)
            continue
        _refuse_duplicate(fields.draft, path, entry, first_use, index)
        step = _read_step(fields.draft, path, entry)
        if step is not None:
            steps.append(step)
    return tuple(steps)


def _refuse_duplicate(
    draft: Draft, path: Path, data: Mapping[str, Json], first_use: dict[str, int], index: int
) -> None:
    step_id = data.get("id")
    if not isinstance(step_id, str):
        return
    earlier = first_use.setdefault(step_id, index)
    if earlier != index:
        message = f"The id `{step_id[:64]}` is taken by `steps[{earlier}]`. Ids are unique in a definition."
        draft.refuse((*path, "id"), "duplicate", message)


def _read_step(draft: Draft, path: Path, data: dict[str, Json]) -> Step | None:
    kind = _read_kind(draft, path, data)
    if kind is None:
        return None
    fields = Fields(draft, path, data, _COMMON | kind.fields, _LATER | kind.later)
    step_id = None
    if fields.require("id", "id: summary"):
        rule = "1 to 64 of the characters a-z, 0-9 and _"
        step_id = fields.text("id", minimum=1, maximum=64, pattern=ID_PATTERN, rule=rule)
    name = fields.text("name", minimum=1, maximum=200)
    seconds = fields.integer("timeout_seconds", 1, 3_600)
    retry = _read_retry(fields, kind)
    _read_on_error(fields)
    output_format = fields.choice("output_format", [option.value for option in OutputFormat])
    spec = kind.read(fields)
    if step_id is None or spec is None:
        return None
    return Step(
        id=step_id,
        name=name or step_id,
        type=kind.type,
        timeout=kind.timeout if seconds is None else timedelta(seconds=seconds),
        retry=retry,
        output_format=_output_format(output_format, spec),
        spec=spec,
    )


def _read_kind(draft: Draft, path: Path, data: dict[str, Json]) -> StepKind | None:
    # The fields are checked against the type's own list, so the type is read before them.
    probe = Fields(draft, path, {"type": data.get("type")}, ("type",))
    written = probe.choice("type", [option.value for option in StepType])
    if written is None and probe.has("type"):
        return None
    step_type = StepType(written or StepType.LLM)
    kind = KINDS.get(step_type)
    if kind is None:
        probe.refuse_later("type", f"Step type `{step_type}`")
    return kind


def _read_retry(fields: Fields, kind: StepKind) -> Retry:
    data = fields.mapping("retry")
    if data is None:
        return Retry(kind.max_attempts)
    inner = Fields(fields.draft, (*fields.path, "retry"), data, _RETRY)
    attempts = inner.integer("max_attempts", 1, 10)
    backoff = inner.integer("backoff_ms", 0, _MAX_BACKOFF_MS)
    factor = inner.number("factor", 1, 10)
    longest = inner.integer("max_backoff_ms", 0, _MAX_BACKOFF_MS)
    return Retry(
        max_attempts=kind.max_attempts if attempts is None else attempts,
        backoff=timedelta(milliseconds=1_000 if backoff is None else backoff),
        factor=2.0 if factor is None else factor,
        max_backoff=timedelta(milliseconds=60_000 if longest is None else longest),
        on_timeout=bool(inner.boolean("on_timeout")),
    )


def _read_on_error(fields: Fields) -> None:
    value = fields.raw("on_error")
    if value == "continue" or isinstance(value, dict):
        fields.refuse_later("on_error", "`on_error` other than `fail`")
    else:
        fields.choice("on_error", ("fail", "continue"))


def _output_format(written: str | None, spec: StepSpec) -> OutputFormat:
    if isinstance(spec, LlmSpec) and spec.output_schema is not None:
        return OutputFormat.JSON
    return OutputFormat(written or OutputFormat.TEXT)
