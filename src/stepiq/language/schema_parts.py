"""Finds the part of a JSON Schema for a value inside the one that the schema describes."""

import re
import sys
from collections.abc import Sequence

from stepiq.core.json import Json, dumps
from stepiq.language.data import is_object
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import Schema, compile_schema

_DEFINITIONS = "#/$defs/"
_OTHER_REFERENCE = re.compile(r'"\$ref":\s*"(?!#/\$defs/)')


def part_of(document: dict[str, Json], path: Sequence[str]) -> dict[str, Json] | None:
    """The schema of the value at a path of field names and indexes.

    None if `properties`, `items` and references to `$defs` do not lead to one.
    """
    node: Json = document
    for name in path:
        node = _inside(_target(node, document), name)
    if node is document or not is_object(node):
        return document if node is document else None
    # Other references, such as `#`, start at the root of the schema, which the part does not contain.
    part = {**node, **{key: document[key] for key in ("$defs",) if key in document}}
    return None if _OTHER_REFERENCE.search(dumps(part)) else part


def compile_part(part: dict[str, Json]) -> Schema | None:
    """Compile what `part_of` returned; None if it is too expensive alone."""
    try:
        # The patterns of the whole schema were counted when it was saved.
        return compile_schema(part, max_patterns=sys.maxsize)
    except SchemaProblem:
        return None


def _target(node: Json, document: dict[str, Json]) -> Json:
    """The definition that a node refers to, or the node."""
    reference = node.get("$ref") if is_object(node) else None
    if not isinstance(reference, str):
        return node
    definitions = document.get("$defs")
    if not is_object(definitions) or not reference.startswith(_DEFINITIONS):
        return None
    return definitions.get(reference.removeprefix(_DEFINITIONS))


def _inside(node: Json, name: str) -> Json:
    if not is_object(node):
        return None
    properties = node.get("properties")
    if is_object(properties) and name in properties:
        return properties[name]
    return node.get("items") if name.isdigit() and "prefixItems" not in node else None
