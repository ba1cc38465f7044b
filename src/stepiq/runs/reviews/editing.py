"""The schema of what is under review, which the edits of reviewers must match."""

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from stepiq.core.errors import Issue, StepIQError
from stepiq.core.json import Json, dumps
from stepiq.execution.definitions import Definitions, VersionNotFound
from stepiq.language import offload
from stepiq.language.data import is_array, is_object
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import InvalidDefinition
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_types import output_issues, output_shape
from stepiq.language.expressions import Expression
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import Schema, compile_schema
from stepiq.language.schemas.work import ValidationMeter
from stepiq.runs.reviews import queries
from stepiq.runs.reviews.records import Answer, Review
from stepiq.steps.human_review.spec import ReviewSpec
from stepiq.store.database import Database, Session

_DEFINITIONS = "#/$defs/"
_OTHER_REFERENCE = re.compile(r'"\$ref":\s*"(?!#/\$defs/)')


def part_of(document: dict[str, Json], path: Sequence[str]) -> dict[str, Json] | None:
    """The schema of the value at a path of field names and indexes.

    None if `properties`, `items` and references to `$defs` do not lead to one.
    """
    node: Json = document
    for name in path:
        node = _inside(_target(node, document), name)
    if node is document or not is_object(node):
        return document if node is document else None
    # Other references, such as `#`, start at the root of the schema, which the part does not contain.
    part = {**node, **{key: document[key] for key in ("$defs",) if key in document}}
    return None if _OTHER_REFERENCE.search(dumps(part)) else part


def compile_part(part: dict[str, Json]) -> Schema | None:
    """Compile what `part_of` returned; None if it is too expensive alone."""
    try:
        # The patterns of the whole schema were counted when it was saved.
        return compile_schema(part, max_patterns=sys.maxsize)
    except SchemaProblem:
        return None


def _target(node: Json, document: dict[str, Json]) -> Json:
    """The definition that a node refers to, or the node."""
    reference = node.get("$ref") if is_object(node) else None
    if not isinstance(reference, str):
        return node
    definitions = document.get("$defs")
    if not is_object(definitions) or not reference.startswith(_DEFINITIONS):
        return None
    return definitions.get(reference.removeprefix(_DEFINITIONS))


def _inside(node: Json, name: str) -> Json:
    if not is_object(node):
        return None
    properties = node.get("properties")
    if is_object(properties) and name in properties:
        return properties[name]
    return node.get("items") if name.isdigit() and "prefixItems" not in node else None


_AT = ("output",)
_PLACE = re.compile(r"""[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[(\d+|"[^"\\]*"|'[^'\\]*')\])*""")
"""An expression that reads one place and does not change its value."""


@dataclass(frozen=True, slots=True)
class ExaminedEdit:
    """The problems of an edit, found before the transaction that decides the review."""

    review_id: UUID
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where the data under review comes from."""

    whole: Schema
    """Of the output of a step, or of the input of the run."""
    step: Step | None
    """None: the input of the run."""
    inside: tuple[str, ...]
    """Field names and indexes that lead to the data."""

    @property
    def schema(self) -> dict[str, Json] | None:
        """The schema of the data; None if it is not known."""
        return part_of(self.whole.document, self.inside) or None

    def issues(self, output: Json, meter: ValidationMeter) -> tuple[Issue, ...]:
        """The problems of an edit."""
        if self.inside:
            return self._issues_of_part(output, meter)
        if self.step is not None:
            return output_issues(self.step, output, _AT, meter)
        return self.whole.issues(_without_absent(self.whole, output), _AT, meter=meter)

    def _issues_of_part(self, output: Json, meter: ValidationMeter) -> tuple[Issue, ...]:
        if (schema := self.schema) is None:
            return ()
        # Compiling a schema takes about a microsecond for each character.
        meter.spend(len(dumps(schema)))
        part = compile_part(schema)
        return () if part is None else part.issues(output, _AT, meter=meter)


async def input_schema(
    session: Session, review: Review, definitions: Definitions
) -> dict[str, Json] | None:
    """The schema that edits of a review must match; None if it is not known."""
    origin = await _origin(session, review, definitions)
    return None if origin is None else origin.schema


async def examine(
    database: Database,
    find: Callable[[Session], Awaitable[Review]],
    answer: Answer,
    definitions: Definitions,
) -> ExaminedEdit | None:
    """Check an edit before the transaction that decides, as `runs.examining` does for other requests.

    Returns None if the answer has no edit, or if the transaction will refuse it.
    """
    if not answer.is_edited:
        return None
    try:
        async with database.reading() as session:
            review = await find(session)
            origin = await _origin(session, review, definitions)
    except StepIQError:
        return None
    work = _check(origin, review, answer)
    return ExaminedEdit(review.id, await offload.metered(work, ValidationMeter))


async def edit_issues(
    session: Session,
    review: Review,
    answer: Answer,
    definitions: Definitions,
    examined: ExaminedEdit | None,
) -> tuple[Issue, ...]:
    """The problems of an edit, inside the transaction. `examined` is used if it is of this review."""
    if examined is not None and examined.review_id == review.id:
        return examined.issues
    work = _check(await _origin(session, review, definitions), review, answer)
    return await offload.metered_apart(work, ValidationMeter)


def _check(
    origin: _Origin | None, review: Review, answer: Answer
) -> Callable[[ValidationMeter], tuple[Issue, ...]]:
    # What a step returned under `on_error` need not match its schema. As text, because `1` and `true` are equal.
    is_same = answer.output == review.input and dumps(answer.output) == dumps(review.input)
    if origin is None or is_same:
        return lambda _: ()
    return partial(origin.issues, answer.output)


async def _origin(session: Session, review: Review, definitions: Definitions) -> _Origin | None:
    if (found := await queries.version_and_step_before(session, review)) is None:
        return None
    version, before = found
    try:
        definition = await definitions.get(session, review.pipeline_id, version)
    except (VersionNotFound, InvalidDefinition):
        # This process cannot compile the version, for example without the package of a step type.
        return None
    return _origin_in(definition, review.step_id, before)


def _origin_in(definition: Definition, asking: str, before: str | None) -> _Origin | None:
    steps = {step.id: step for step in definition.every_step}
    spec = steps[asking].spec if asking in steps else None
    if not isinstance(spec, ReviewSpec):
        return None
    path = ("steps", before, "output") if spec.input is None else _place(spec.input)
    match path:
        case ("input", *inside) if definition.input.schema is not None:
            return _Origin(definition.input.schema, None, tuple(inside))
        case ("steps", str(name), "output", *inside) if name in steps:
            return _Origin(output_shape(steps[name]), steps[name], tuple(inside))
        case _:
            return None


def _place(expression: Expression) -> tuple[str, ...]:
    """The place whose value an expression returns unchanged; empty if it does more."""
    source = expression.source.strip().removeprefix("{{").removesuffix("}}").strip()
    is_place = len(expression.references) == 1 and _PLACE.fullmatch(source) is not None
    return expression.references[0].parts if is_place else ()


def _without_absent(schema: Schema, value: Json) -> Json:
    """The input of a run without its optional fields that are null: steps read absent fields as null."""
    required = schema.document.get("required")
    needed = required if is_array(required) else []
    if not is_object(value):
        return value
    return {name: each for name, each in value.items() if each is not None or name in needed}
