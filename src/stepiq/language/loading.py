"""Compiles a document into a definition, or reports all of its errors."""

import re
from dataclasses import dataclass
from datetime import timedelta

from stepiq.core.errors import Invalid, Issue
from stepiq.core.json import Json, is_deeper
from stepiq.language import places
from stepiq.language.data import is_object, kind_of
from stepiq.language.definition import Definition, Scalar, every_step
from stepiq.language.delivery_fields import read_deliver, read_notifications
from stepiq.language.input_fields import read_input
from stepiq.language.inputs import InputSchema
from stepiq.language.layout import Layout
from stepiq.language.names import KnownNames, check_names
from stepiq.language.placing import MAX_ERRORS, Placer
from stepiq.language.reports import FieldReader, PathProblem, Report
from stepiq.language.source import Source, SourceFormat, read
from stepiq.language.specs import Step
from stepiq.language.step_fields import homes, read_steps
from stepiq.language.step_types import step_types
from stepiq.language.targets import DeliveryTarget, NotificationTarget
from stepiq.language.trigger_fields import read_schedule, read_webhook
from stepiq.language.words import suggest
from stepiq.language.yaml.scanner import MAX_DEPTH

QUICK_BYTES = 2_048
"""Documents up to this size are read in at most six milliseconds; longer ones belong outside the event loop."""
MAX_SECRETS = 100
"""Most secrets that one definition may name: everything that a run records is searched for each of them."""
_UNREADABLE = frozenset({"syntax", "invalid_character"})
FIELDS = (
    "name", "description", "version", "variables", "input", "steps", "timeout_seconds", "output",
    "notifications", "schedule", "webhook",
)  # fmt: skip
_LATER = ("agent_defaults", "budget")
OUTPUT_FIELDS = ("from", "deliver")
NOTIFICATION_FIELDS = ("on_success", "on_failure")
MAX_NAME = 200
MAX_DESCRIPTION = 2_000
DEFAULT_SECONDS = 86_400
"""Default time limit of a run that does not wait. With a `human_review` or a `wait`, the default is `MAX_SECONDS`."""
MAX_SECONDS = 30 * 86_400
VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"


class InvalidDefinition(Invalid):
    """The definition cannot be run. `errors` lists every problem."""

    code = "invalid_definition"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of reading a document."""

    document: dict[str, Json] | None
    """Plain JSON data as written, without defaults. None if the text does not contain a mapping."""
    definition: Definition | None
    """Present if there are no errors."""
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...] = ()
    secrets: tuple[tuple[str, Issue], ...] = ()
    """Every secret that a field reads or signs with, once per field, and the issue to report if it is not stored."""
    models: tuple[tuple[str, Issue], ...] = ()
    """Every model that a step names, once per field, and an issue with its place but without a message."""
    malformed: bool = False
    """Whether the text could not be parsed, so that the errors are about its syntax."""


def load(text: str, source_format: SourceFormat) -> Loaded:
    """Read a document's text. Never raises because of its content: all errors are returned together, with places."""
    source = read(text, source_format)
    if not source.is_readable:
        malformed = any(issue.code in _UNREADABLE for issue in source.issues)
        return Loaded(None, None, source.issues[:MAX_ERRORS], malformed=malformed)
    return _load(source)


def load_document(document: Json) -> Loaded:
    """Read a document that is JSON data. Errors have paths, but no lines."""
    return _load(Source(document))


def compile_document(document: dict[str, Json]) -> Definition:
    """Compile a document that was accepted before.

    Raises:
        InvalidDefinition: the document is not valid, or no longer valid.
    """
    loaded = load_document(document)
    if loaded.definition is None:
        first = loaded.errors[0]
        where = f"`{first.path}`: " if first.path else ""
        raise InvalidDefinition(
            f"The definition cannot be run. {where}{first.message}", loaded.errors
        )
    return loaded.definition


def _load(source: Source) -> Loaded:
    draft = Report(homes=homes(FIELDS))
    document = source.data if is_object(source.data) else None
    definition = None
    if document is None:
        draft.refuse((), "wrong_type", _no_mapping(source.data))
    elif is_deeper(document, MAX_DEPTH):
        draft.refuse(
            (), "too_deep", f"The definition exceeds the maximum depth of {MAX_DEPTH} levels."
        )
        document = None
    else:
        definition = _read_document(draft, document)
    placer = Placer(source)
    errors = placer.sorted(draft.problems, source.issues)
    warnings = placer.sorted(draft.warnings[:MAX_ERRORS])
    secrets = placer.named(_secret_problems(draft))
    models = placer.named([(name, PathProblem(path, "", "")) for path, name in draft.models])
    return Loaded(document, None if errors else definition, errors, warnings, secrets, models)


def _no_mapping(data: Json) -> str:
    what = "it is empty" if data is None else f"it is {kind_of(data)}"
    return f"A definition must be an object with `name` and `steps`; {what}. Start with `name: My pipeline`."


def _read_document(draft: Report, document: dict[str, Json]) -> Definition | None:
    fields = FieldReader(draft, (), document, FIELDS, _LATER)
    _check_version(fields)
    name = None
    if fields.require("name", "name: Daily digest"):
        name = fields.text("name", minimum=1, maximum=MAX_NAME)
    description = fields.text("description", maximum=MAX_DESCRIPTION)
    variables = _read_variables(fields)
    schema = read_input(fields)
    layout = Layout.of(document)
    draft.step_ids = frozenset(layout.ids)
    steps = read_steps(fields)
    seconds = fields.integer("timeout_seconds", 1, MAX_SECONDS)
    output_from, deliver = _read_output(fields, layout)
    on_success, on_failure = _read_notifications(fields)
    schedule = read_schedule(fields)
    webhook_verify = read_webhook(fields)
    if seconds is None:
        seconds = _default_seconds(steps)
    _warn_of_waits(draft, steps, seconds)
    check_names(draft, _known_names(variables, schema, layout, steps))
    _check_secrets(draft)
    if draft.problems or name is None:
        return None
    secrets = [name for placed in draft.templates for name in placed.template.secret_names]
    return Definition(
        name=name,
        description=description or "",
        variables=variables,
        input=schema,
        steps=steps,
        timeout=timedelta(seconds=seconds),
        output_from=output_from,
        secret_names=frozenset(secrets),
        deliver=deliver,
        on_success=on_success,
        on_failure=on_failure,
        schedule=schedule,
        webhook_verify=webhook_verify,
    )


def _default_seconds(steps: tuple[Step, ...]) -> int:
    waits = any(step.spec.can_wait for step in every_step(steps))
    return MAX_SECONDS if waits else DEFAULT_SECONDS


def _check_version(fields: FieldReader) -> None:
    version = fields.raw("version")
    if version is not None and (isinstance(version, bool) or version != 1):
        message = (
            "`version` is the version of the pipeline language and must be 1. Remove the field."
        )
        fields.refuse("version", "not_allowed", message)


def _warn_of_waits(draft: Report, steps: tuple[Step, ...], run_seconds: int) -> None:
    """Warn about a step that may wait longer than the run's time limit."""
    waits = {step.id: int(step.spec.longest_wait.total_seconds()) for step in every_step(steps)}
    step_id = max(waits, key=waits.__getitem__, default="")
    longest = waits.get(step_id, 0)
    if longest > run_seconds:
        message = (
            f"The time limit of a run is {run_seconds:,} seconds, including waits, but the step `{step_id}` can wait {longest:,}. "
            f"Set `timeout_seconds: {min(longest + DEFAULT_SECONDS, MAX_SECONDS)}`, or shorten the wait."
        )
        draft.warnings.append(PathProblem(("timeout_seconds",), "ends_before_wait", message))


def _check_secrets(draft: Report) -> None:
    names = {name for placed in draft.templates for name in placed.template.secret_names}
    names |= {name for _, name in draft.signing_secrets}
    if len(names) > MAX_SECRETS:
        message = f"The definition uses {len(names)} secrets; the maximum is {MAX_SECRETS}. Split it into several pipelines."
        draft.refuse((), "too_many_secrets", message)


def _read_variables(fields: FieldReader) -> dict[str, Scalar]:
    found = fields.mapping("variables") or {}
    inner = FieldReader(fields.draft, (*fields.path, "variables"), found, found)
    variables: dict[str, Scalar] = {}
    for name, value in found.items():
        if fields.draft.is_full:
            break
        if isinstance(value, dict | list):
            message = f"A variable must be a string, a number or a boolean; `{name[:60]}` is {kind_of(value)}."
            inner.refuse(name, "wrong_type", message)
        else:
            variables[name] = value
        if not re.fullmatch(VARIABLE_NAME, name):
            message = (
                f"`{name[:60]}` is not a valid name of a variable. Use up to 100 letters, digits and _, "
                "not starting with a digit."
            )
            inner.refuse(name, "invalid_format", message)
    return variables


def _read_output(
    fields: FieldReader, layout: Layout
) -> tuple[str | None, tuple[DeliveryTarget, ...]]:
    data = fields.mapping("output")
    if data is None:
        return None, ()
    inner = FieldReader(fields.draft, (*fields.path, "output"), data, OUTPUT_FIELDS)
    known = layout.seen_by(None)
    step_id = inner.text("from", maximum=64)
    if step_id is not None and step_id not in known:
        inside = "is inside a `parallel`" if step_id in layout.ids else "does not exist"
        inner.refuse("from", "not_allowed", f"Step `{step_id}` {inside}. {suggest(step_id, known)}")
    return step_id, read_deliver(inner)


def _read_notifications(
    fields: FieldReader,
) -> tuple[tuple[NotificationTarget, ...], tuple[NotificationTarget, ...]]:
    data = fields.mapping("notifications")
    if data is None:
        return (), ()
    path = (*fields.path, "notifications")
    inner = FieldReader(fields.draft, path, data, NOTIFICATION_FIELDS)
    return read_notifications(inner, "on_success"), read_notifications(inner, "on_failure")


def _known_names(
    variables: dict[str, Scalar], schema: InputSchema, layout: Layout, steps: tuple[Step, ...]
) -> KnownNames:
    every = list(every_step(steps))
    return KnownNames(
        inputs=schema.declared,
        input_types=schema.field_types,
        variables=frozenset(variables),
        layout=layout,
        text_steps=frozenset(step.id for step in every if step.gives_text),
        output_fields={
            step.id: known
            for step in every
            if (known := step_types()[step.type].output_fields) is not None
        },
    )


def _secret_problems(draft: Report) -> list[tuple[str, PathProblem]]:
    read = [
        (
            name,
            _secret_problem(
                placed.path, name, (placed.template.source, *placed.template.locate(at))
            ),
        )
        for placed in draft.templates
        for name, at in placed.template.secrets.items()
    ]
    signing = [(name, _secret_problem(path, name, None)) for path, name in draft.signing_secrets]
    return [*read, *signing]


def _secret_problem(
    path: places.Path, name: str, inside: tuple[str, int, int] | None
) -> PathProblem:
    message = f"The secret `{name}` is not stored. Store it for the workspace or for this pipeline before the pipeline runs."
    return PathProblem(path, "secret_missing", message, inside=inside)
