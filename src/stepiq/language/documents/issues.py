"""Turns the problems of a document into issues, with line and column if its text has lines."""

from collections.abc import Iterable
from typing import TypeVar

from stepiq.core.errors import Issue
from stepiq.language import places
from stepiq.language.documents.source import Source
from stepiq.language.fields.reader import PathProblem

MAX_ERRORS = 100
"""Most errors reported for one document."""
_Name = TypeVar("_Name", str, str | None)
_MORE = Issue("", "too_many_errors", f"There are more than {MAX_ERRORS} errors. Fix these first.")


def in_order(issues: Iterable[Issue]) -> list[Issue]:
    """Sort issues by place, those without one first. Issues beyond `MAX_ERRORS` are replaced by one final issue."""
    listed = sorted(issues, key=lambda issue: (issue.line or 0, issue.column or 0))
    known = [issue for issue in listed if issue != _MORE]
    is_more = len(known) < len(listed) or len(known) > MAX_ERRORS
    return [*known[:MAX_ERRORS], _MORE] if is_more else known


class Placer:
    """Creates issues from problems, with line and column if the source has lines."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: tuple[places.Place, list[str]] | None = None

    def sorted(
        self, problems: list[PathProblem], known: tuple[Issue, ...] = ()
    ) -> tuple[Issue, ...]:
        """The issues of problems, and known issues, `in_order`."""
        return tuple(in_order([*known, *(self.place(problem) for problem in problems)]))

    def named(self, found: list[tuple[_Name, PathProblem]]) -> tuple[tuple[_Name, Issue], ...]:
        return tuple((name, self.place(problem)) for name, problem in found)

    def place(self, problem: PathProblem) -> Issue:
        path = places.write_path(problem.path)
        if self._source.places is None:
            return Issue(path, problem.code, problem.message)
        if self._found is None:
            # JSON is parsed a second time for this.
            self._found = self._source.places(), self._source.lines()
        root, lines = self._found
        place, is_exact = places.find(root, problem.path)
        line, column = place.line, place.column
        if is_exact and problem.at_key and place.key is not None:
            line, column = place.key
        elif is_exact and problem.inside is not None:
            line, column = places.locate_inside(lines, place, *problem.inside)
        return Issue(path, problem.code, problem.message, line, column)
