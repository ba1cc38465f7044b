"""The `set` of a `transform`: an object or a list whose texts are expressions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.expressions import Expression, ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.results import Room
from stepiq.language.expressions.values import MAX_OPERATIONS, EvaluationMeter
from stepiq.language.places import Path, write_path

MAX_EXPRESSIONS = 200
MAX_CHARACTERS = 20_000
"""Most characters of all expressions in one `set`, which limits the time to compile them."""
MAX_WORK = 3 * MAX_OPERATIONS
"""Most work of all expressions in one `set`."""


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """An expression that cannot be compiled, or an invalid `set`."""

    path: Path
    """Path inside the `set`; empty for the whole `set`."""
    source: str
    """The text of the expression; empty if there is none."""
    error: ExpressionSyntaxError


class SettingInvalid(Exception):
    """All problems of a `set`."""

    def __init__(
        self, problems: tuple[SettingProblem, ...], expressions: Mapping[Path, Expression]
    ) -> None:
        super().__init__(" ".join(problem.error.message for problem in problems))
        self.problems = problems
        self.expressions = expressions
        """The other expressions, so that their names can be checked too."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A compiled `set`, which can be evaluated any number of times."""

    document: Json
    """As written."""
    expressions: Mapping[Path, Expression] = field(compare=False)
    """Every expression by its path inside `document`, in the order written."""

    @classmethod
    def compile(cls, value: Json) -> Self:
        """Compile a `set`; numbers, booleans and null in it are constants.

        Raises:
            SettingInvalid: with every expression that cannot be compiled.
        """
        if not is_object(value) and not is_array(value):
            message = "`set` must be an object or a list with expressions, as in `set: {total: size(input.items)}`."
            raise SettingInvalid((_problem((), "", message),), {})
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
            raise SettingInvalid(tuple(problems), expressions)
        return cls(value, expressions)

    def evaluate(
        self, context: Mapping[str, Json], *, meter: EvaluationMeter | None = None
    ) -> Json:
        """The object or list, with each expression replaced by its value.

        Args:
            context: as for `Expression.evaluate`.
            meter: limit for all expressions together; by default `MAX_WORK` operations.

        Raises:
            ExpressionError: an expression has no value, or a limit of work or size is exceeded; `field` names the
                expression.
        """
        meter = meter or EvaluationMeter(MAX_WORK)
        room = Room("the combined result of `set`")
        values: dict[Path, Json] = dict.fromkeys(self.expressions)
        # The rest of the result always fits, because definitions are smaller than results can be.
        room.measure(_fill(self.document, (), values), meter)
        for path, expression in self.expressions.items():
            try:
                values[path] = expression.evaluate(context, meter=meter, room=room)
            except ExpressionError as error:
                error.field = write_path(("set", *path))
                raise
        return _fill(self.document, (), values)


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
