"""stepiq.client.models: the models of responses, made from the schemas of the OpenAPI document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from keyword import iskeyword
from typing import Any, cast

from client_library import layout
from client_library.layout import docstring

Schema = dict[str, Any]

_PREFIX = "#/components/schemas/"
_SIMPLE = {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_BASES = ("ApiModel", "Json", "ListPage", "UnknownEvent")
PLACES = {
    **dict.fromkeys(("AsyncGenerator", "Mapping", "Sequence"), "collections.abc"),
    **dict.fromkeys(("date", "datetime"), "datetime"),
    **dict.fromkeys(("Annotated", "Any", "Literal", "Required", "TypedDict"), "typing"),
    "Field": "pydantic",
    **dict.fromkeys((*_BASES, "OPEN"), "stepiq.client.base"),
    "Id": "stepiq.client.requests",
}
"""The modules of names that generated code uses."""


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


@dataclass
class Names:
    """How the schemas of a document are written in Python."""

    schemas: Schema
    bases: dict[str, str] = field(default_factory=dict[str, str])
    """Models that have all fields of another one, which then is their base class."""
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
            kind = f"Literal[{values}]"
            return _alias(name, [kind, "OPEN"], schema)
        if "oneOf" in schema or "anyOf" in schema:
            kinds = self.annotation(schema, is_input=False)
            parts = [f"{kinds} | UnknownEvent", 'Field(union_mode="left_to_right")']
            return _alias(name, parts, schema)
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


def _alias(name: str, parts: list[str], schema: Schema) -> str:
    text = layout.bracketed(f"{name} = Annotated[", parts, "]")
    return "\n".join(
        [text, docstring(schema["description"])] if "description" in schema else [text]
    )


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


def used(names: Names, firsts: Iterable[str]) -> list[str]:
    """Schemas, and all that they refer to. A schema follows those that Python evaluates with it."""
    before: dict[str, list[str]] = {}
    open_names = list(firsts)
    while open_names:
        name = open_names.pop()
        if name in before or name == "Json":
            continue
        schema = names.schemas[name]
        referred = [each for each in references(schema) if each != "Json"]
        base = [names.bases[name]] if name in names.bases else []
        # The annotations of a class are evaluated later.
        before[name] = base if "properties" in schema else referred
        open_names += [*referred, *base]
    return list(
        TopologicalSorter(
            {name: before[name] for name in names.schemas if name in before}
        ).static_order()
    )


def module(names: Names, members: list[str]) -> str:
    """The text of `stepiq.client.models`."""
    body = "\n\n\n".join(names.write(each) for each in members)
    listed = sorted([*_BASES, *members])
    every = layout.bracketed("__all__ = [", [f'"{each}"' for each in listed], "]")
    title = "The models of responses, by their names in the OpenAPI document."
    return layout.module(title, f"{body}\n\n\n{every}", PLACES, listed)
