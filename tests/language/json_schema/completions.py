"""`completions.md`: what an editor offers at each place of a definition, computed from the schema as editors do."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from tests.language.json_schema.conftest import SCHEMA
from tests.language.json_schema.test_agreement import ACCEPTED, EXAMPLES

PAGE = Path(__file__).parent / "completions.md"
_INTRODUCTION = """\
# Completions

What an editor offers in the examples, and in the definitions of `test_agreement.py`: for each object its fields with their
title, description, values and snippets; of those described above only the names. `test_completions.py` compares this page with the schema. After a change,
`python -m tests.language.json_schema` writes it. Read the diff as the person who uses the editor.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    sections = sorted((sorted(places), section) for section, places in _sections().items())
    seen: set[str] = set()
    parts += [f"## {', '.join(places)}\n\n{_new(section, seen)}\n" for places, section in sections]
    bodies = {json.dumps(each): None for each in _snippets(_nodes(SCHEMA))}
    return "\n".join([*parts, "## Snippets\n", *(f"- `{body}`" for body in bodies), ""])


def _new(section: str, seen: set[str]) -> str:
    """A section, with only the names of the fields that are described above."""
    fields = re.split(r"\n(?=- )", section)
    shown = [each.split(" ")[1] if each in seen else each for each in fields]
    seen.update(fields)
    above = [each for each in shown if not each.startswith("- ")]
    new = [each for each in shown if each.startswith("- ")]
    return "\n".join([*new, *([f"- as above: {', '.join(above)}"] if above else [])])


def _nodes(value: Any) -> Iterator[dict]:
    """Every object of the schema."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _nodes(each)


def _sections() -> dict[str, set[str]]:
    """What is offered, and where."""
    found: dict[str, set[str]] = {}
    loaded = [
        load(path.read_text(encoding="utf-8"), SourceFormat.YAML).document for path in EXAMPLES
    ]
    for document in [*loaded, *ACCEPTED]:
        for place, section in _offered(document, "", [SCHEMA]):
            found.setdefault(section, set()).add(place)
    return found


def _offered(value: Any, place: str, schemas: list[dict]) -> Iterator[tuple[str, str]]:
    """Each object in a value, and what an editor offers there."""
    active = [each for schema in schemas for each in _active(schema, value)]
    if isinstance(value, list):
        items = [each["items"] for each in active if "items" in each]
        for inner in value:
            yield from _offered(inner, f"{place}[]", items)
    if not isinstance(value, dict):
        return
    kind = f" ({value['type']})" if isinstance(value.get("type"), str) else ""
    lines = [f"- snippet: {each['label']}" for each in _snippets(active)]
    names = sorted({name for each in active for name in each.get("properties", ())})
    lines += [_line(name, value.get(name), active) for name in names if _is_offered(name, active)]
    if lines:
        yield f"{place or 'document'}{kind}", "\n".join(lines)
    for name, inner in value.items():
        found = [each["properties"][name] for each in active if name in each.get("properties", ())]
        if not found:
            found = [schema for each in active for schema in _others(name, each)]
        # The names of headers, variables and input fields are free.
        part = name if any(name in each.get("properties", ()) for each in active) else "*"
        yield from _offered(inner, f"{place}.{part}" if place else part, found)


def _others(name: str, schema: dict) -> Iterator[dict]:
    """The schemas of a name that is not listed."""
    for pattern, inner in schema.get("patternProperties", {}).items():
        if re.search(pattern, name):
            yield inner
    if isinstance(more := schema.get("additionalProperties"), dict):
        yield more


def _active(schema: dict, value: Any) -> Iterator[dict]:
    """A schema, and the schemas inside it that apply to the same value."""
    if "$ref" in schema:
        yield from _active(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value)
        return
    yield schema
    for inner in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from _active(inner, value)
    if "if" in schema:
        condition = {**schema["if"], "$defs": SCHEMA["$defs"]}
        branch = "then" if jsonschema_rs.is_valid(condition, value) else "else"
        yield from _active(schema.get(branch, {}), value)


def _is_offered(name: str, active: list[dict]) -> bool:
    found = [each["properties"][name] for each in active if name in each.get("properties", ())]
    return any(not node.get("doNotSuggest") for node in found)


def _snippets(active: Iterable[dict]) -> list[dict]:
    return [snippet for each in active for snippet in each.get("defaultSnippets", ())]


def _line(name: str, value: Any, active: list[dict]) -> str:
    """A field, with what an editor shows about it."""
    nodes = [
        node
        for each in active
        if name in each.get("properties", ())
        for node in _active(each["properties"][name], value)
        if not node.get("doNotSuggest")
    ]
    required = " (required)" if any(name in each.get("required", ()) for each in active) else ""
    said = dict.fromkeys(
        text
        for node in nodes
        if (text := f"{node.get('title', '')}: {_description(node)}") != ": "
    )  # fmt: skip
    return "\n".join([f"- `{name}`{required} {' | '.join(said)}", *_values(nodes)])


def _description(node: dict) -> str:
    return node.get("markdownDescription") or node.get("description", "")


def _values(nodes: list[dict]) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        meanings = node.get("markdownEnumDescriptions") or node.get("enumDescriptions") or ()
        lines += [
            f"  - `{json.dumps(option)}` {meanings[index] if meanings else ''}".rstrip()
            for index, option in enumerate(node.get("enum", ()))
        ]
        lines += [f"  - example `{json.dumps(each)}`" for each in node.get("examples", ())]
        lines += [f"  - snippet: {each['label']}" for each in _snippets([node])]
        lines += [f"  - snippet for an item: {each['label']}" for each in _item_snippets(node)]
        for message in ("errorMessage", "patternErrorMessage"):
            lines += [f"  - if it does not match: {node[message]}"] if message in node else []
    lines += [f"  - default `{json.dumps(node['default'])}`" for node in nodes if "default" in node]
    return list(dict.fromkeys(lines))


def _item_snippets(node: dict) -> list[dict]:
    return _snippets(_active(node["items"], None)) if "items" in node else []
