"""A compiled template, as stored in a definition and rendered by a step."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from stepiq.core.json import Json
from stepiq.language.templates.lexer import Piece, Tag, TagKind, TextRun, position, scan
from stepiq.language.templates.meter import RenderMeter
from stepiq.language.templates.nodes import Node, Reference
from stepiq.language.templates.parser import Parser
from stepiq.language.templates.render import Renderer

_BLANK_LINE_END = re.compile(r"[ \t]*+\r?\n?")
_CHARACTERS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def apply(pieces: list[Piece]) -> None:
    """Remove white space from the text next to tags."""
    alone = [
        isinstance(piece, Tag) and _is_alone(pieces, index) for index, piece in enumerate(pieces)
    ]
    for index, piece in enumerate(pieces):
        if not isinstance(piece, TextRun):
            continue
        before = pieces[index - 1] if index else None
        after = pieces[index + 1] if index + 1 < len(pieces) else None
        value = piece.value
        if isinstance(before, Tag):
            value = _eat_left(value, before.strips_right, alone[index - 1])
        if isinstance(after, Tag):
            value = _eat_right(value, after.strips_left, alone[index + 1])
        piece.value = value


def _eat_left(value: str, all_of_it: bool, line_end: bool) -> str:
    if all_of_it:
        return value.lstrip(_CHARACTERS)
    if line_end and (blank := _BLANK_LINE_END.match(value)):
        return value[blank.end() :]
    return value


def _eat_right(value: str, all_of_it: bool, indent: bool) -> str:
    if all_of_it:
        return value.rstrip(_CHARACTERS)
    return value.rstrip(" \t") if indent else value


def _is_alone(pieces: list[Piece], index: int) -> bool:
    tag = pieces[index]
    if not isinstance(tag, Tag) or tag.kind is TagKind.OUTPUT:
        return False
    return _starts_line(pieces, index) and _ends_line(pieces, index)


def _starts_line(pieces: list[Piece], index: int) -> bool:
    if index == 0:
        return True
    before = pieces[index - 1]
    if not isinstance(before, TextRun):
        return False
    tail = before.value.rstrip(_CHARACTERS)
    blank = before.value[len(tail) :]
    return "\n" in blank or (index == 1 and not tail)


def _ends_line(pieces: list[Piece], index: int) -> bool:
    if index + 1 == len(pieces):
        return True
    after = pieces[index + 1]
    if not isinstance(after, TextRun):
        return False
    head = after.value.lstrip(_CHARACTERS)
    blank = after.value[: len(after.value) - len(head)]
    return "\n" in blank or (index + 2 == len(pieces) and not head)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template, which can be rendered any number of times."""

    source: str
    """Its text, as written."""
    nodes: tuple[Node, ...]
    references: tuple[Reference, ...]
    """Every place where it reads the context, in the order written. Names inside `#each` items are not included, since
    the content of an item is known only while rendering."""
    secrets: Mapping[str, int]
    """Every NAME that it reads as `env.NAME`, with the offset of the first use."""

    @classmethod
    def compile(cls, text: str) -> Self:
        """Compile a template.

        Raises:
            TemplateSyntaxError: with line and column inside the text.
        """
        pieces = scan(text)
        apply(pieces)
        parser = Parser(text)
        nodes = parser.parse(pieces)
        return cls(text, nodes, tuple(parser.references), parser.secrets)

    @property
    def secret_names(self) -> frozenset[str]:
        """Every NAME that it reads as `env.NAME`."""
        return frozenset(self.secrets)

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset in its text, both counted from 1."""
        return position(self.source, offset)

    def render(self, context: Mapping[str, Json], meter: RenderMeter | None = None) -> str:
        """Render the template. Values are data: braces in them are not interpreted.

        Args:
            context: `input`, `vars`, `steps`, `run` as plain JSON data, and under `env` the secrets that
                `secret_names` lists.
            meter: the meter to charge, by default a new one. Renderings that share a meter share its limits.

        Raises:
            TemplateUnresolved: a value is missing or of the wrong kind.
            SecretMissing: a secret is not in `env`.
            TemplateLimit: a limit of work or output size is exceeded.
            OverBudget: the meter's budget is exceeded.
        """
        return Renderer(self.source, context, meter or RenderMeter()).render(self.nodes)


def secret_names_of(*templates: Template | None) -> frozenset[str]:
    """Every NAME that one of these templates reads as `env.NAME`."""
    return frozenset(name for each in templates if each is not None for name in each.secrets)
