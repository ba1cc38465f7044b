"""Describes the fields of the objects in a document. One description gives the reader and the JSON Schema of a field.

An object is a dataclass that inherits `FieldObject`. Its attributes are the compiled values, and each is described
where it is declared:

    @dataclass(frozen=True, slots=True)
    class Pause(FieldObject):
        length: float = number("Seconds", "How long to wait.", 0, 60).required("seconds: 30", name="seconds")
        reason: str | None = text("Reason", "What it waits for.", maximum=200).optional()
"""

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from types import EllipsisType
from typing import Any, ClassVar, Generic, TypeVar

from stepiq.core.json import Json, dumps
from stepiq.language.data import as_integer, is_array, is_number, is_object, kind_of
from stepiq.language.expressions import Expression, source
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.reader import (
    INTEGER,
    NUMBER,
    STRING,
    TRUE_OR_FALSE,
    FieldReader,
    entry_correction,
)
from stepiq.language.fields.schema import Node, words
from stepiq.language.places import Path
from stepiq.language.schemas.validation import ANY, Schema
from stepiq.language.templates import Template
from stepiq.language.words import suggest

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)
Word = TypeVar("Word", bound=str)
_KEY = "described"
"""In the metadata of a dataclass field."""


@dataclass(frozen=True, slots=True)
class Field(Generic[T_co]):
    """What may be written in a field."""

    node: Node
    """Its JSON Schema, with the title and the description that editors show."""
    read: Callable[[FieldReader, str], T_co | None]
    """Reads the field with this name, which is neither absent nor null. Reports problems, and returns None for them."""

    def required(self, example: str, *, name: str = "") -> T_co:
        """Describe an attribute that is read from a required field.

        Args:
            example: what a message about a missing field shows, such as `seconds: 30`.
            name: name of the field; by default that of the attribute.
        """

        def read(fields: FieldReader, name: str) -> T_co | None:
            return self.read(fields, name) if fields.require(name, example) else None

        return dataclasses.field(metadata={_KEY: _Attribute({name: self.node}, (name,), read)})

    def optional(self, *, name: str = "") -> T_co | None:
        """Describe an attribute that is None without the field. `name` is as for `required`."""
        return self.default(None, name=name)

    def default(self, value: T, *, name: str = "", shown: Json | EllipsisType = ...) -> T_co | T:
        """Describe an attribute that has a value without the field.

        Args:
            value: the value without the field.
            name: as for `required`.
            shown: the default for editors, None for none; otherwise `value`, if it is a string, a number or a boolean.
        """
        if shown is ...:
            shown = value if isinstance(value, str | int | float) else None
        node = self.node if shown is None else {**self.node, "default": shown}
        attribute = _Attribute({name: node}, (), self.read, is_optional=True)
        found: dict[str, Any] = {"metadata": {_KEY: attribute}}
        # A dataclass has no mutable default.
        found |= {"default_factory": dict} if isinstance(value, dict) else {"default": value}
        return dataclasses.field(**found)

    def then(self, convert: Callable[[FieldReader, str, T_co], U | None]) -> "Field[U]":
        """The field with a value that is converted after it is read. `convert` reports problems, and returns None."""

        def read(fields: FieldReader, name: str) -> U | None:
            value = self.read(fields, name)
            return None if value is None else convert(fields, name, value)

        return Field(self.node, read)

    def converted(self, convert: Callable[[T_co], U]) -> "Field[U]":
        """The field with a value that is converted after it is read."""
        return self.then(lambda _fields, _name, value: convert(value))

    def checked(self, check: Callable[[FieldReader, str, T_co], object]) -> "Field[T_co]":
        """The field with a value that is checked after it is read. `check` reports problems."""

        def read(fields: FieldReader, name: str, value: T_co) -> T_co:
            check(fields, name, value)
            return value

        return self.then(read)

    def shown(self, node: Node) -> "Field[T_co]":
        """The field with other keywords in its JSON Schema."""
        return Field(self.node | node, self.read)


@dataclass(frozen=True, slots=True)
class _Attribute:
    """How an attribute of a `FieldObject` is read."""

    nodes: Mapping[str, Node]
    """The JSON Schema of each field that the attribute is read from. An empty key means the name of the attribute."""
    needed: tuple[str, ...]
    """The fields that are required."""
    read: Callable[[FieldReader, str], Any]
    """Reads it; the text is the name of its first field."""
    is_optional: bool = False
    """Whether it is not read from an object without the field."""


class FieldObject:
    """An object of a document, compiled."""

    __slots__ = ()
    words: ClassVar[tuple[str, str]] = ("", "")
    """Title and description for editors."""

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        """Report the problems of several fields together. It is called after all of them are read."""


Object = TypeVar("Object", bound=FieldObject)


def computed(
    read: Callable[[FieldReader], T | None],
    fields: Mapping[str, Node] | None = None,
    needed: Sequence[str] = (),
) -> T:
    """Describe an attribute that is read from several fields, or from the place of the object.

    Args:
        read: reads the fields, any of which may be absent. If it returns None, the object is invalid.
        fields: the JSON Schema of the fields that no other attribute describes.
        needed: the names of the required ones.
    """
    attribute = _Attribute(fields or {}, tuple(needed), lambda fields, _: read(fields))
    return dataclasses.field(metadata={_KEY: attribute})


def embedded(kind: type[Object]) -> Object:
    """Describe an attribute whose fields are written in the same object."""
    return computed(lambda fields: read(kind, fields), nodes_of(kind), needed_by(kind))


@cache
def _attributes(kind: type[FieldObject]) -> tuple[tuple[str, str, _Attribute], ...]:
    """The described attributes of a class: name, name of the first field, and description."""
    return tuple(
        (each.name, next(iter(found.nodes), "") or each.name, found)
        for each in (dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ())
        if (found := each.metadata.get(_KEY)) is not None
    )


@cache
def nodes_of(kind: type[FieldObject]) -> Mapping[str, Node]:
    """The JSON Schema of each field of a class, by the name of the field."""
    return {
        name or attribute: node
        for attribute, _, found in _attributes(kind)
        for name, node in found.nodes.items()
    }


@cache
def needed_by(kind: type[FieldObject]) -> tuple[str, ...]:
    """The names of the required fields of a class."""
    return tuple(name or each for each, _, found in _attributes(kind) for name in found.needed)


def node_of(kind: type[FieldObject]) -> Node:
    """The JSON Schema of an object."""
    return nodes.mapping(*kind.words, nodes_of(kind), needed_by(kind))


def read(kind: type[Object], fields: FieldReader) -> Object | None:
    """Read an object; None if an attribute without a default has no value."""
    values = read_values(kind, fields)
    return None if values is None else kind(**values)


def read_values(kind: type[FieldObject], fields: FieldReader) -> dict[str, Any] | None:
    """Read the described attributes of an object, without those that have their default.

    Returns None if an attribute without a default has no value.
    """
    values: dict[str, Any] = {}
    is_complete = True
    for attribute, name, each in _attributes(kind):
        if each.is_optional and not fields.has(name):
            continue
        value = each.read(fields, name)
        if value is not None:
            values[attribute] = value
        elif not each.is_optional:
            is_complete = False
    kind.check(fields)
    return values if is_complete else None


def described(
    title: str, description: str, node: Node, read: Callable[[FieldReader, str], T | None]
) -> Field[T]:
    """A field with a reader and a JSON Schema of its own."""
    return Field({**words(title, description), **node}, read)


def text(
    title: str,
    description: str,
    *,
    minimum: int = 1,
    maximum: int,
    pattern: str = "",
    rule: str = "",
) -> Field[str]:
    """A text with a length in bounds; `pattern` must match all of it, and `rule` describes the pattern."""
    bounds = f"at most {maximum:,}" if not minimum else f"{minimum} to {maximum:,}"

    def read(fields: FieldReader, name: str) -> str | None:
        value = fields.typed(name, str, STRING)
        if value is None:
            return None
        if not minimum <= len(value) <= maximum:
            code = "too_short" if len(value) < minimum else "too_long"
            message = f"`{name}` must have {bounds} characters; it has {len(value):,}."
            fields.refuse(name, code, message)
            return None
        if pattern and not re.fullmatch(pattern, value):
            fields.refuse(name, "invalid_format", f"`{name}` must be {rule}.")
            return None
        return value

    node: Node = {"type": "string"} | ({"minLength": minimum} if minimum else {})
    node |= {"maxLength": maximum} | (matching(pattern, rule) if pattern else {})
    return described(title, description, node, read)


def matching(pattern: str, rule: str) -> Node:
    """The keywords of a text that a pattern matches as a whole."""
    return {"pattern": nodes.whole(pattern), "patternErrorMessage": f"This must be {rule}."}


def template(title: str, description: str) -> Field[Template]:
    """A template."""
    node: Node = {"type": "string", "minLength": 1}
    return described(title, f"Template. {description}", node, read_template)


def read_template(fields: FieldReader, name: str) -> Template | None:
    """Read a template, which is not blank."""
    value = fields.typed(name, str, STRING)
    if value is None:
        return None
    if not value.strip():
        fields.refuse(name, "too_short", f"`{name}` must not be empty.")
        return None
    return fields.draft.template((*fields.path, name), value)


def expression(title: str, description: str, *, is_after: bool = False) -> Field[Expression]:
    """An expression; with `is_after`, it can read the output of its own step."""

    def read(fields: FieldReader, name: str) -> Expression | None:
        value = fields.raw(name)
        if isinstance(value, bool):
            # `if: true` is useful while a pipeline is being written.
            value = "true" if value else "false"
        if value is None:
            return None
        if not isinstance(value, str):
            fields.refuse_type(name, "a string with an expression")
            return None
        return fields.draft.expression((*fields.path, name), value, is_after=is_after)

    node: Node = {"type": ["string", "boolean"], "minLength": 1, "maxLength": source.MAX_LENGTH}
    return described(title, f"Expression. {description}", node, read)


def condition(title: str, description: str, *, is_after: bool = False) -> Field[Expression]:
    """An expression that can be true or false, as far as its type is known; `is_after` as for `expression`."""

    def decide(fields: FieldReader, name: str, found: Expression) -> Expression | None:
        if found.may_decide:
            return found
        message = f"The result of `{name}` must be true or false. Compare the value, as in `input.score > 5`."
        fields.refuse(name, "wrong_type", message)
        return None

    return expression(title, description, is_after=is_after).then(decide)


def input_value(description: str) -> Field[Expression]:
    """The value that a step works with."""
    return expression("Input", description)


def integer(title: str, description: str, low: int, high: int) -> Field[int]:
    """A whole number from `low` to `high`."""

    def read(fields: FieldReader, name: str) -> int | None:
        value = as_integer(fields.raw(name))
        if value is None:
            fields.refuse_type(name, INTEGER)
            return None
        return value if _is_in_range(fields, name, value, low, high) else None

    node: Node = {"type": "integer", "minimum": low, "maximum": high}
    return described(title, description, node, read)


def seconds(title: str, description: str, low: int, high: int) -> Field[timedelta]:
    """A time, written as a whole number of seconds from `low` to `high`."""
    return integer(title, description, low, high).converted(_seconds)


def _seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


def number(title: str, description: str, low: float, high: float) -> Field[float]:
    """A number from `low` to `high`."""

    def read(fields: FieldReader, name: str) -> float | None:
        value = fields.raw(name)
        if not is_number(value):
            fields.refuse_type(name, NUMBER)
            return None
        return float(value) if _is_in_range(fields, name, value, low, high) else None

    node: Node = {"type": "number", "minimum": low, "maximum": high}
    return described(title, description, node, read)


def _is_in_range(fields: FieldReader, name: str, value: float, low: float, high: float) -> bool:
    if low <= value <= high:
        return True
    fields.refuse(name, "out_of_range", f"`{name}` must be between {low:,} and {high:,}.")
    return False


def boolean(title: str, description: str) -> Field[bool]:
    """True or false."""

    def read(fields: FieldReader, name: str) -> bool | None:
        return fields.typed(name, bool, TRUE_OR_FALSE)

    return described(title, description, {"type": "boolean"}, read)


def choice(
    title: str, description: str, meanings: Mapping[Word, str], *, others: Sequence[str] = ()
) -> Field[Word]:
    """One of several words, each with a description. Messages also offer `others`, which are not words."""
    known = {str(word): word for word in meanings}
    offered = (*known, *others)

    def read(fields: FieldReader, name: str) -> Word | None:
        written = read_word(fields, name, known, offered)
        return None if written is None else known[written]

    return described(
        title,
        description,
        nodes.words_of({str(word): says for word, says in meanings.items()}),
        read,
    )


def read_word(
    fields: FieldReader, name: str, known: Collection[str], offered: Collection[str]
) -> str | None:
    """Read one of the known words; messages suggest one of `offered`."""
    value = fields.raw(name)
    if value is None or is_array(value) or is_object(value):
        return fields.typed(name, str, STRING)
    if isinstance(value, str) and value in known:
        return value
    # A number or a boolean would be refused in quotes too, so the message is about the value.
    written = value if isinstance(value, str) else dumps(value)
    message = f"`{name}` cannot be `{written[:60]}`. {suggest(written, offered)}"
    fields.refuse(name, "not_allowed" if isinstance(value, str) else "wrong_type", message)
    return None


def json_schema(title: str, description: str) -> Field[Schema]:
    """A JSON Schema. An invalid one is reported, and read as one that allows everything."""

    def read(fields: FieldReader, name: str) -> Schema | None:
        value = fields.mapping(name)
        return None if value is None else fields.draft.compile((*fields.path, name), value) or ANY

    return Field(nodes.if_object(title, description, nodes.reference("json_schema")), read)


def object_of(kind: type[Object], *, example: str = "") -> Field[Object]:
    """An object of a class. A message about a missing field of it shows `example`, or the field's own example."""

    def read_inner(fields: FieldReader, name: str) -> Object | None:
        inner = fields.inner(name, nodes_of(kind), example=example)
        return None if inner is None else read(kind, inner)

    return Field(node_of(kind), read_inner)


def objects(
    title: str, description: str, kind: type[Object], minimum: int, maximum: int, example: str
) -> Field[tuple[Object, ...]]:
    """A list of objects of a class. Messages show the example of an item. Invalid items are reported and left out."""

    def read_item(fields: FieldReader, path: Path, item: Json) -> Object | None:
        if is_object(item):
            return read(kind, FieldReader(fields.draft, path, item, nodes_of(kind)))
        hint = entry_correction(item, example)
        message = f"Each item of `{path[-2]}` must be an object; this one is {kind_of(item)}.{hint}"
        fields.draft.refuse(path, "wrong_type", message)
        return None

    return array(title, description, node_of(kind), minimum, maximum, read_item)


def array(
    title: str,
    description: str,
    node: Node,
    minimum: int,
    maximum: int,
    read_item: Callable[[FieldReader, Path, Json], T | None],
) -> Field[tuple[T, ...]]:
    """A list.

    Args:
        title: title of the field.
        description: description of the field.
        node: the JSON Schema of an item.
        minimum: least number of items.
        maximum: most items.
        read_item: reads an item at a path; reports problems, and returns None to leave it out.
    """

    def read(fields: FieldReader, name: str) -> tuple[T, ...] | None:
        items = fields.items(name, minimum, maximum)
        if items is None:
            return None
        path = (*fields.path, name)
        found = [read_item(fields, (*path, index), item) for index, item in enumerate(items)]
        return tuple(item for item in found if item is not None)

    return Field(nodes.array(title, description, node, minimum, maximum), read)


def either(title: str, description: str, word: Field[T], other: Field[U]) -> Field[T | U]:
    """A word, or an object."""

    def read(fields: FieldReader, name: str) -> T | U | None:
        return (other if is_object(fields.raw(name)) else word).read(fields, name)

    ways: Node = {"anyOf": [word.node, other.node]}
    return described(title, description, ways, read)
