"""Reading a document field by field: every reader notes what is wrong and goes on, so one pass finds all of it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from stepiq.core.json import Json
from stepiq.language.data import kind_of
from stepiq.language.places import Path
from stepiq.language.schema_cost import SchemaProblem
from stepiq.language.schemas import Schema, compile_schema
from stepiq.language.templates import Template, TemplateSyntaxError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a path; `loading` adds the place in the text."""

    path: Path
    code: str
    message: str
    at_key: bool = False
    """The name of the field is wrong, not its value."""
    inside: tuple[str, int, int] | None = None
    """The text value, and a line and column inside it."""


@dataclass(frozen=True, slots=True)
class PlacedTemplate:
    """A template and the field it stands in."""

    path: Path
    template: Template


MAX_PROBLEMS = 200
"""Where reading stops to look for more."""
MAX_PATTERNS = 200
"""Most patterns that the schemas of one document may have: compiling one takes up to a millisecond."""
_MAX_COMPARED = 200
_MAX_SHOWN = 20
# At a half, `api` would already be taken for a slip of `email`.
_MIN_LIKENESS = 0.55


@dataclass(slots=True)
class Draft:
    """What has been found while reading one document."""

    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])
    templates: list[PlacedTemplate] = field(default_factory=list[PlacedTemplate])
    signing_secrets: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    """Secrets that no template reads, and the fields that name them."""
    patterns_left: int = MAX_PATTERNS

    @property
    def is_full(self) -> bool:
        """Whether there are more problems than anybody will read, so that looking for more is pointless."""
        return len(self.problems) >= MAX_PROBLEMS

    def refuse(self, path: Path, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def compile(self, path: Path, document: dict[str, Json]) -> Schema | None:
        """Compile a schema that stands at a path; None if it cannot be used."""
        try:
            schema = compile_schema(document, max_patterns=self.patterns_left)
        except SchemaProblem as problem:
            self.refuse((*path, *problem.path), "invalid_schema", problem.message)
            return None
        self.patterns_left -= schema.cost.patterns
        return schema


def suggest(name: str, known: Collection[str]) -> str:
    """A sentence that names the nearest known word, or all of them."""
    if len(known) > _MAX_COMPARED:
        # Comparing with thousands of names, once for each of many mistakes, would take minutes.
        return f"There are {len(known):,} others."
    words = sorted(set(known))
    if not words:
        return "There are none."
    if near := get_close_matches(name[:60], words, 1, _MIN_LIKENESS):
        return f"Did you mean `{near[0]}`?"
    shown = ", ".join(f"`{word[:60]}`" for word in words[:_MAX_SHOWN])
    return f"Known here: {shown}{', …' if len(words) > _MAX_SHOWN else ''}."


class Fields:
    """Reads the fields of one mapping. Null counts as absent; what is wrong is noted and read as absent."""

    def __init__(
        self,
        draft: Draft,
        path: Path,
        data: Mapping[str, Json],
        known: Collection[str],
        later: Collection[str] = (),
    ) -> None:
        self.draft = draft
        self.path = path
        self._data = data
        for name in data:
            if draft.is_full:
                break
            if name in later:
                self.refuse_later(name, f"`{name}`")
            elif name not in known:
                message = f"`{name[:60]}` is not a field here. {suggest(name, known)}"
                draft.problems.append(Problem((*path, name), "unknown_field", message, at_key=True))

    def has(self, name: str) -> bool:
        return self._data.get(name) is not None

    def raw(self, name: str) -> Json:
        return self._data.get(name)

    def refuse(self, name: str, code: str, message: str) -> None:
        self.draft.refuse((*self.path, name), code, message)

    def refuse_later(self, name: str, what: str) -> None:
        """Refuse a part of the language that this version does not run."""
        message = (
            f"{what} is part of the language, but this version of stepIQ does not run it yet. "
            "Remove it, or use a version that does."
        )
        self.draft.problems.append(
            Problem((*self.path, name), "not_supported_yet", message, at_key=True)
        )

    def require(self, name: str, example: str) -> bool:
        """Note a field that must be there; gives whether it is."""
        if self.has(name):
            return True
        # The field has no place of its own, so the error stands at the mapping that lacks it.
        message = f"`{name}` is required. Write it as in `{example}`."
        self.draft.refuse((*self.path, name), "required", message)
        return False

    def note_secret(self, name: str, secret: str | None) -> None:
        """Remember that a field names a secret, so that its author can be told if there is none."""
        if secret is not None:
            self.draft.signing_secrets.append(((*self.path, name), secret))

    def text(
        self, name: str, *, minimum: int = 0, maximum: int, pattern: str = "", rule: str = ""
    ) -> str | None:
        """A text of so many characters, fitting a pattern that `rule` puts into words."""
        value = self._typed(name, str, "a string")
        if value is None:
            return None
        if not minimum <= len(value) <= maximum:
            code = "too_short" if len(value) < minimum else "too_long"
            bounds = f"at most {maximum:,}" if not minimum else f"{minimum} to {maximum:,}"
            self.refuse(
                name, code, f"`{name}` must have {bounds} characters; it has {len(value):,}."
            )
            return None
        if pattern and not re.fullmatch(pattern, value):
            self.refuse(name, "invalid_format", f"`{name}` must be {rule}.")
            return None
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse_type(name, "an integer")
            return None
        return value if self._in_range(name, value, low, high) else None

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse_type(name, "a number")
            return None
        return float(value) if self._in_range(name, value, low, high) else None

    def boolean(self, name: str) -> bool | None:
        return self._typed(name, bool, "true or false")

    def choice(self, name: str, options: Collection[str]) -> str | None:
        value = self._typed(name, str, "a string")
        if value is not None and value not in options:
            self.refuse(
                name, "not_allowed", f"`{name}` cannot be `{value[:60]}`. {suggest(value, options)}"
            )
            return None
        return value

    def mapping(self, name: str) -> dict[str, Json] | None:
        return self._typed(name, dict, "a mapping of names to values")

    def items(self, name: str, minimum: int, maximum: int) -> list[Json] | None:
        value: list[Any] | None = self._typed(name, list, "a list")
        if value is not None and not minimum <= len(value) <= maximum:
            code = "too_short" if len(value) < minimum else "too_long"
            self.refuse(
                name,
                code,
                f"`{name}` must have {minimum} to {maximum} entries; it has {len(value):,}.",
            )
            return None
        return value

    def template(self, name: str) -> Template | None:
        """A text with template tags in it."""
        value = self._typed(name, str, "a string")
        if value is None:
            return None
        path = (*self.path, name)
        if not value.strip():
            self.refuse(name, "too_short", f"`{name}` is empty. Write the text.")
            return None
        try:
            template = Template.compile(value)
        except TemplateSyntaxError as error:
            self.draft.problems.append(
                Problem(
                    path,
                    error.code,
                    error.message,
                    inside=(value, error.line, error.column),
                )
            )
            return None
        self.draft.templates.append(PlacedTemplate(path, template))
        return template

    def schema(self, name: str) -> Schema | None:
        """A JSON Schema."""
        value = self.mapping(name)
        return None if value is None else self.draft.compile((*self.path, name), value)

    def _typed(self, name: str, kind: type[Any], words: str) -> Any:
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, kind):
            self._refuse_type(name, words)
            return None
        return value

    def _refuse_type(self, name: str, words: str) -> None:
        self.refuse(
            name, "wrong_type", f"`{name}` must be {words}; it is {kind_of(self.raw(name))}."
        )

    def _in_range(self, name: str, value: float, low: float, high: float) -> bool:
        if low <= value <= high:
            return True
        self.refuse(name, "out_of_range", f"`{name}` must be between {low:,} and {high:,}.")
        return False
