"""Compiles a document into a definition, or reports all of its errors."""

from dataclasses import dataclass
from datetime import timedelta

from stepiq.core.errors import Invalid, Issue
from stepiq.core.json import Json, is_deeper
from stepiq.language import places
from stepiq.language.data import is_object, kind_of
from stepiq.language.definitions.compiled import Definition, every_step
from stepiq.language.definitions.document_fields import MAX_SECONDS, DocumentFields
from stepiq.language.definitions.layout import Layout
from stepiq.language.definitions.names import KnownNames, check_names
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_fields import homes
from stepiq.language.definitions.step_types import INSTEAD_OF_AGENT, step_types
from stepiq.language.documents.issues import MAX_ERRORS, Placer
from stepiq.language.documents.source import Source, SourceFormat, read
from stepiq.language.documents.yaml.scanner import MAX_DEPTH
from stepiq.language.fields import description as fields
from stepiq.language.fields.description import nodes_of
from stepiq.language.fields.reader import FieldReader, PathProblem, Report
from stepiq.language.words import suggest

QUICK_BYTES = 2_048
"""Documents up to this size are read in at most six milliseconds; longer ones belong outside the event loop."""
MAX_SECRETS = 100
"""Most secrets that one definition may name: everything that a run records is searched for each of them."""
_UNREADABLE = frozenset({"syntax", "invalid_character"})
_LATER = {
    "agent_defaults": INSTEAD_OF_AGENT,
    "budget": "Limit each answer with `max_tokens`, and the credits of the workspace with a plan.",
}
DEFAULT_SECONDS = 86_400
"""Default time limit of a run that does not wait. With a `human_review` or a `wait`, the default is `MAX_SECONDS`."""
FIELDS = tuple(nodes_of(DocumentFields))


class InvalidDefinition(Invalid):
    """The definition cannot be run."""

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
    models: tuple[tuple[str | None, Issue], ...] = ()
    """Every model that a step names, once per field, and an issue with its place but without a message.

    None for each step that uses the default model."""
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
    reader = FieldReader(draft, (), document, FIELDS, _LATER)
    layout = Layout.of(document)
    written = fields.read(DocumentFields, reader)
    assert written is not None  # noqa: S101 - all of its attributes have a value
    _check_output(draft, written.output.step_id, layout)
    seconds = written.seconds or _default_seconds(written.steps)
    _warn_of_waits(draft, written.steps, seconds)
    check_names(draft, _known_names(written, layout))
    _check_secrets(draft)
    if draft.problems:
        return None
    secrets = [name for placed in draft.templates for name in placed.template.secret_names]
    return Definition(
        name=written.name,
        description=written.description,
        variables=written.variables,
        input=written.input,
        steps=written.steps,
        timeout=timedelta(seconds=seconds),
        output_from=written.output.step_id,
        secret_names=frozenset(secrets),
        deliver=written.output.deliver,
        on_success=written.notifications.on_success,
        on_failure=written.notifications.on_failure,
        schedule=written.schedule,
        webhook_verify=written.webhook.verify,
    )


def _default_seconds(steps: tuple[Step, ...]) -> int:
    waits = any(step.spec.can_wait for step in every_step(steps))
    return MAX_SECONDS if waits else DEFAULT_SECONDS


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


def _check_output(draft: Report, step_id: str | None, layout: Layout) -> None:
    known = layout.seen_by(None)
    if step_id is None or step_id in known:
        return
    inside = "is inside a `parallel`" if step_id in layout.ids else "does not exist"
    draft.refuse(
        ("output", "from"), "not_allowed", f"Step `{step_id}` {inside}. {suggest(step_id, known)}"
    )


def _known_names(written: DocumentFields, layout: Layout) -> KnownNames:
    every = list(every_step(written.steps))
    return KnownNames(
        inputs=written.input.declared,
        input_types=written.input.field_types,
        variables=frozenset(written.variables),
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
