"""`set` of a `transform`: an object or a list whose texts are expressions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.expressions import Expression, ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.results import Room
from stepiq.language.expressions.values import MAX_OPERATIONS, Exhausted, Failure, Meter
from stepiq.language.places import Path, write_path

MAX_EXPRESSIONS = 200
MAX_CHARACTERS = 20_000
"""Most text that all expressions of one `set` have together: reading them takes its time."""
MAX_WORK = 3 * MAX_OPERATIONS
"""Most work that all expressions of one `set` do together."""


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """An expression that cannot be read, or a `set` that isn't one."""

    path: Path
    """From the `set` to the text; empty for the whole of it."""
    source: str
    """The text; empty where there is none."""
    error: ExpressionSyntaxError


class SettingInvalid(Exception):
    """What is wrong with a `set`, all of it."""

    def __init__(self, problems: tuple[SettingProblem, ...]) -> None:
        super().__init__(" ".join(problem.error.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """A `set` that has been read and can be evaluated any number of times."""

    document: Json
    """As written."""
    expressions: Mapping[Path, Expression] = field(compare=False)
    """Every expression by its path inside `document`, in the order written."""

    @classmethod
    def compile(cls, value: Json) -> Self:
        """Read a `set`; numbers, booleans and null in it are themselves.

        Raises:
            SettingInvalid: with every expression that cannot be read.
        """
        if not is_object(value) and not is_array(value):
            message = "`set` must be an object or a list with expressions, as in `set: {total: size(input.items)}`."
            raise SettingInvalid((_problem((), "", message),))
        expressions: dict[Path, Expression] = {}
        problems: list[SettingProblem] = []
        characters = 0
        for count, (path, text) in enumerate(_texts(value, ())):
            characters += len(text)
            if count == MAX_EXPRESSIONS or characters > MAX_CHARACTERS:
                message = f"`set` can have at most {MAX_EXPRESSIONS} expressions, with {MAX_CHARACTERS:,} characters in total."
                problems.append(_problem(path, text, message))
                break
            try:
                expressions[path] = Expression.compile(text)
            except ExpressionSyntaxError as error:
                problems.append(SettingProblem(path, text, error))
        if problems:
            raise SettingInvalid(tuple(problems))
        return cls(value, expressions)

    def evaluate(self, context: Mapping[str, Json], *, meter: Meter | None = None) -> Json:
        """The object or list with the value of each expression in its place.

        Args:
            context: as for `Expression.evaluate`.
            meter: what all of them together may cost; default `MAX_WORK` operations.

        Raises:
            ExpressionError: an expression has no value, or all of them are too much work or too long; the
                `field` of the error names it.
        """
        meter = meter or Meter(MAX_WORK)
        values: dict[Path, Json] = {}
        for path, expression in self.expressions.items():
            try:
                values[path] = expression.evaluate(context, meter=meter)
            except ExpressionError as error:
                error.field = write_path(("set", *path))
                raise
        made = _fill(self.document, (), values)
        try:
            Room().measure(made)
        except (Exhausted, Failure) as error:
            raise ExpressionError(f"The values cannot be combined: {error}") from None
        return made


def _problem(path: Path, source: str, message: str) -> SettingProblem:
    return SettingProblem(path, source, ExpressionSyntaxError(message, 1, 1))


def _texts(value: Json, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif is_object(value):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif is_array(value):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _fill(value: Json, path: Path, values: Mapping[Path, Json]) -> Json:
    if isinstance(value, str):
        return values[path]
    if is_object(value):
        return {key: _fill(item, (*path, key), values) for key, item in value.items()}
    if is_array(value):
        return [_fill(item, (*path, index), values) for index, item in enumerate(value)]
    return value
