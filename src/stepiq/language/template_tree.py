"""JSON in which every text is a template. All other values are used as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object
from stepiq.language.fields.reader import Report
from stepiq.language.places import Path
from stepiq.language.templates import RenderMeter, Template

_Node: TypeAlias = "Json | Template | list[_Node] | dict[str, _Node]"


@dataclass(frozen=True, slots=True)
class TemplateTree:
    """An object or a list with compiled texts."""

    root: _Node

    @property
    def secret_names(self) -> frozenset[str]:
        """Every NAME that one of its templates reads as `env.NAME`."""
        return _secret_names(self.root)

    def render(self, context: Mapping[str, Json], meter: RenderMeter | None = None) -> Json:
        """The data with every template rendered. Keys stay as written; a rendered template is always a text.

        Args:
            context: as for `Template.render`.
            meter: limit for all templates together; by default that of one template.

        Raises:
            TemplateError: as for `Template.render`.
        """
        return _render(self.root, context, meter or RenderMeter())


def _render(node: _Node, context: Mapping[str, Json], meter: RenderMeter) -> Json:
    if isinstance(node, Template):
        return node.render(context, meter)
    if isinstance(node, dict):
        return {name: _render(inner, context, meter) for name, inner in node.items()}
    if isinstance(node, list):
        return [_render(inner, context, meter) for inner in node]
    return node


def _secret_names(node: _Node) -> frozenset[str]:
    if isinstance(node, Template):
        return node.secret_names
    inner = node.values() if is_object(node) else node if is_array(node) else ()
    return frozenset[str]().union(*map(_secret_names, inner))


def read_tree(draft: Report, path: Path, value: Json) -> TemplateTree:
    """Compile every text of a value at a path; problems are reported."""
    return TemplateTree(_compile(draft, path, value))


def _compile(draft: Report, path: Path, value: Json) -> _Node:
    if isinstance(value, str):
        return draft.template(path, value)
    if is_object(value):
        return {name: _compile(draft, (*path, name), inner) for name, inner in value.items()}
    if is_array(value):
        return [_compile(draft, (*path, index), inner) for index, inner in enumerate(value)]
    return value
