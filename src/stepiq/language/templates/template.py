"""A compiled template, as stored in a definition and rendered by a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from stepiq.core.json import Json
from stepiq.language.templates import whitespace
from stepiq.language.templates.lexer import position, scan
from stepiq.language.templates.meter import RenderMeter
from stepiq.language.templates.nodes import Node, Reference
from stepiq.language.templates.parser import Parser
from stepiq.language.templates.render import Renderer


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
        whitespace.apply(pieces)
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
