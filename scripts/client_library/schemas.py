"""stepiq.client.models: the models of responses, from the schemas of the OpenAPI document."""

import textwrap
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from keyword import iskeyword
from typing import Any, cast

Schema = dict[str, Any]

_PREFIX = "#/components/schemas/"
_SIMPLE = {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH = 100
SHARED = "shared"
_HEAD = """\
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Required, TypedDict

from pydantic import Field

from stepiq.client.base import OPEN, ApiModel, Json
from stepiq.client.requests import Id
"""


def references(part: Any) -> Iterator[str]:
    """The names of the schemas that a part of the document refers to."""
    if isinstance(part, list):
        for each in cast("list[Any]", part):
            yield from references(each)
    if isinstance(part, dict):
        for key, each in cast(Schema, part).items():
            if key == "$ref" and isinstance(each, str) and each.startswith(_PREFIX):
                yield each.removeprefix(_PREFIX)
            elif key not in ("example", "examples", "mapping"):
                yield from references(each)


def is_page(schema: Schema) -> bool:
    """Whether it is a page of a list."""
    return {"data", "next_cursor"} <= schema.get("properties", {}).keys()


def docstring(text: str | None, indent: str = "") -> str:
    """A text as a docstring, with lines that are short enough."""
    paragraphs = [" ".join(each.split()) for each in (text or "").strip().split("\n\n")]
    if "\n- " in (text or ""):
        paragraphs = (text or "").strip().split("\n")
    lines = [
        line
        for paragraph in paragraphs
        for line in [*(textwrap.wrap(paragraph, _WIDTH - len(indent) - 6) or [""]), ""]
    ][:-1]
    if "\n- " in (text or ""):
        lines = [line for line in lines if line]
    shown = "\n".join(f"{indent}{line}".rstrip() for line in lines).strip()
    shown = shown.replace("\\", "\\\\").replace('"""', "'''")
    if shown.endswith('"'):
        shown += " "
    return f'{indent}"""{shown}"""' if len(lines) == 1 else f'{indent}"""{shown}\n{indent}"""'


@dataclass
class Names:
    """How the schemas of a document are written in Python."""

    schemas: Schema
    bases: dict[str, str] = field(default_factory=dict[str, str])
    """Models that have all fields of another one, which then is their base class."""
    modules: dict[str, str] = field(default_factory=dict[str, str])
    """The module of each model."""
    inputs: set[str] = field(default_factory=set[str])
    """Objects that only requests contain."""

    def annotation(self, schema: Schema, *, is_input: bool) -> str:
        """The type of a value. A part that this code does not know is any JSON."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_PREFIX)
            return name if name != "Json" else "Any" if is_input else "Json"
        for key in ("anyOf", "oneOf"):
            if key in schema:
                found = [self.annotation(each, is_input=is_input) for each in schema[key]]
                return union(found)
        if "const" in schema:
            return f"Literal[{schema['const']!r}]"
        kinds = schema.get("type")
        if isinstance(kinds, list):
            each = [
                self.annotation({**schema, "type": kind}, is_input=is_input)
                for kind in cast("list[str]", kinds)
            ]
            return union(each)
        return self._of_kind(kinds, schema, is_input=is_input)

    def _of_kind(self, kind: str | None, schema: Schema, *, is_input: bool) -> str:
        match kind:
            case "string":
                return _text(schema, is_input=is_input)
            case "array":
                item = self.annotation(schema.get("items", {}), is_input=is_input)
                return f"Sequence[{item}]" if is_input else f"list[{item}]"
            case "object":
                values = schema.get("additionalProperties")
                known = cast(Schema, values) if isinstance(values, dict) else {}
                item = self.annotation(known, is_input=is_input).replace("Json", "Any")
                return f"Mapping[str, {item}]" if is_input else f"dict[str, {item}]"
            case str():
                return _SIMPLE.get(kind, "Any")
            case None:
                return "Any" if is_input else "Json"

    def write(self, name: str) -> str:
        """The definition of one schema."""
        schema = self.schemas[name]
        if "enum" in schema:
            values = ", ".join(repr(each) for each in schema["enum"])
            return f"{name} = Annotated[Literal[{values}], OPEN]\n" + docstring(
                schema.get("description")
            )
        if "oneOf" in schema or "anyOf" in schema:
            kinds = self.annotation(schema, is_input=False)
            text = (
                f'{name} = Annotated[{kinds} | UnknownEvent, Field(union_mode="left_to_right")]\n'
            )
            return text + docstring(schema.get("description"))
        return self._input(name) if name in self.inputs else self._model(name)

    def _model(self, name: str) -> str:
        schema, base = self.schemas[name], self.bases.get(name)
        inherited = self.schemas[base]["properties"] if base else {}
        lines = [f"class {name}({base or 'ApiModel'}):"]
        lines.append(docstring(schema.get("description") or f"{name}.", "    ") + "\n")
        for key, value in schema["properties"].items():
            if key not in inherited:
                lines += self._field(key, value, is_required=key in schema.get("required", ()))
        return "\n".join(lines)

    def _field(self, key: str, schema: Schema, *, is_required: bool) -> Iterator[str]:
        kind = self.annotation(schema, is_input=False)
        name = argument(key)
        default = "" if is_required else " = None"
        if not is_required and not _is_nullable(kind):
            kind += " | None"
        if name != key:
            default = f' = Field({"" if is_required else "default=None, "}alias="{key}")'
        yield f"    {name}: {kind}{default}"
        if "description" in schema:
            yield docstring(schema["description"], "    ")

    def _input(self, name: str) -> str:
        schema = self.schemas[name]
        lines = [f"class {name}(TypedDict, total=False):"]
        lines.append(docstring(schema.get("description") or f"{name}.", "    ") + "\n")
        for key, value in schema["properties"].items():
            kind = self.annotation(value, is_input=True)
            is_required = key in schema.get("required", ())
            lines.append(f"    {key}: {f'Required[{kind}]' if is_required else kind}")
            if "description" in value:
                lines.append(docstring(value["description"], "    "))
        return "\n".join(lines)


def argument(name: str) -> str:
    """A name that Python accepts for an argument or a method."""
    found = name.replace("-", "_").lower() if "-" in name else name
    return f"{found}_" if iskeyword(found) else found


def _is_nullable(kind: str) -> bool:
    return kind in ("Json", "Any", "None") or kind.endswith("| None")


def union(kinds: list[str]) -> str:
    """The type of a value that has one of several types."""
    unique = list(dict.fromkeys(kinds))
    if "Json" in unique or "Any" in unique:
        return "Json" if "Json" in unique else "Any"
    if "None" in unique:
        unique.remove("None")
        unique.append("None")
    return " | ".join(unique)


def _text(schema: Schema, *, is_input: bool) -> str:
    if "enum" in schema:
        kind = f"Literal[{', '.join(repr(each) for each in schema['enum'])}]"
        return kind if is_input else f"Annotated[{kind}, OPEN]"
    match schema.get("format"):
        case "date-time":
            return "datetime"
        case "date":
            return "date"
        case "uuid" if is_input:
            return "Id"
        case _:
            return "str"


def _closure(names: Names, first: str) -> set[str]:
    found: set[str] = set()
    open_names = [first]
    while open_names:
        name = open_names.pop()
        if name not in found and name != "Json":
            found.add(name)
            open_names += references(names.schemas[name])
            if name in names.bases:
                open_names.append(names.bases[name])
    return found


def place(names: Names, used: dict[str, set[str]]) -> None:
    """Decide the module of each model: that of the only topic that uses it, else the shared one.

    Args:
        names: the schemas. Their modules are set.
        used: by topic, the schemas that its operations use directly.
    """
    topics: dict[str, set[str]] = defaultdict(set)
    for topic, firsts in used.items():
        for first in firsts:
            for name in _closure(names, first):
                topics[name].add(topic)
    for name, found in topics.items():
        names.modules[name] = found.pop() if len(found) == 1 else SHARED


def modules(names: Names) -> dict[str, str]:
    """The text of each module, by its name."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in names.schemas:
        if name in names.modules:
            members[names.modules[name]].append(name)
    made = {name: _module(names, name, found) for name, found in members.items()}
    made["__init__"] = _facade(members)
    return made


def _module(names: Names, module: str, members: list[str]) -> str:
    ordered = _ordered(names, members)
    outside = {
        each
        for name in members
        for each in [*references(names.schemas[name]), names.bases.get(name, "Json")]
        if each not in members and each != "Json"
    }
    lines = [f'"""Models of responses: {module.replace("_", " ")}."""\n', _HEAD]
    if outside:
        lines.append(f"from stepiq.client.models.{SHARED} import {', '.join(sorted(outside))}")
    lines.append("from stepiq.client.base import UnknownEvent\n\n")
    return "\n".join(lines) + "\n\n\n".join(names.write(each) for each in ordered) + "\n"


def _ordered(names: Names, members: list[str]) -> list[str]:
    """Members after those that they refer to, because unions and base classes are evaluated at once."""
    done: dict[str, None] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in done or name not in members or name in path:
            return
        base = [names.bases[name]] if name in names.bases else []
        for each in [*base, *references(names.schemas[name])]:
            add(each, (*path, name))
        done[name] = None

    for name in members:
        add(name, ())
    return list(done)


def _facade(members: dict[str, list[str]]) -> str:
    lines = ['"""The models of responses, by their names in the OpenAPI document."""\n']
    lines.append("from stepiq.client.base import ApiModel, Json, ListPage, UnknownEvent")
    for module, found in sorted(members.items()):
        lines.append(f"from stepiq.client.models.{module} import {', '.join(sorted(found))}")
    every = sorted(["ApiModel", "Json", "ListPage", "UnknownEvent", *chain(*members.values())])
    listed = ", ".join(f'"{each}"' for each in every)
    return "\n".join([*lines, "", f"__all__ = [{listed}]", ""])
