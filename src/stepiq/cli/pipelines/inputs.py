"""Builds the input of a run from `--input NAME=VALUE` and `--input-file`."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stepiq.cli.output.console import UsageError, explain, read_bytes, read_text, say
from stepiq.core import json
from stepiq.core.json import Json, MalformedJson
from stepiq.language.data import is_array, is_object

if TYPE_CHECKING:
    from stepiq.language.definitions.compiled import Definition
    from stepiq.language.definitions.inputs import InputInvalid

_NAME = re.compile(r"[\w-]+")
_KINDS = {
    "array": "a list", "boolean": "true or false", "integer": "an integer", "null": "null", "number": "a number",
    "object": "an object",
}  # fmt: skip
_FORM = (
    "Write --input name=value for text, or --input name:=value for JSON, such as --input count:=3."
)


def build_input(
    definition: "Definition | None",
    pairs: Sequence[str],
    input_file: Path | None,
    recorded: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """Build the input from the command line, without checking it against the pipeline's schema.

    Without a definition, every name is allowed. Without a file, the pairs change a copy of `recorded`, the input of an
    earlier run.

    `name=value` is text, or JSON if the pipeline declares another type for `name`. `name:=value` is always JSON. A value
    `@file` is replaced by the text of the file. Write `@@` for an `@` at the start. A pair overrides the same field of
    the input file.

    Raises:
        UsageError: a pair or the file cannot be read, or a pair names a field that the pipeline does not have.
    """
    data = _read_file(input_file) if input_file is not None else dict(recorded or {})
    types: Mapping[str, frozenset[str]] = {}
    fields: Collection[str] | None = None
    if definition is not None:
        types, fields = declared_types(definition), _only_fields(definition)
    given: set[str] = set()
    for pair in pairs:
        name, value = _read_pair(pair, types)
        if name in given:
            raise UsageError(f"--input {name} is given twice. Give each field once.")
        given.add(name)
        if fields is not None and name not in fields:
            from stepiq.language.fields.reader import suggest

            hint = suggest(name, fields)
            raise UsageError(f"--input {name}: the pipeline has no input field `{name}`. {hint}")
        data[name] = value
    return data


def declared_types(definition: "Definition") -> Mapping[str, frozenset[str]]:
    """The JSON types that the pipeline's schema allows for each field. Fields without a type are omitted."""
    schema = definition.input.schema
    properties = schema.document.get("properties") if schema is not None else None
    types: dict[str, frozenset[str]] = {}
    for name, field in properties.items() if is_object(properties) else ():
        declared = field.get("type") if is_object(field) else None
        if isinstance(declared, str):
            types[name] = frozenset({declared})
        elif is_array(declared):
            types[name] = frozenset(str(each) for each in declared)
    return types


def _only_fields(definition: "Definition") -> Collection[str] | None:
    """The fields that the input can have, or None if any are allowed."""
    if definition.input.declared is not None:
        return definition.input.declared
    schema = definition.input.schema
    document = schema.document if schema is not None else {}
    properties = document.get("properties")
    is_closed = (
        document.get("additionalProperties") is False and "patternProperties" not in document
    )
    return tuple(properties) if is_closed and is_object(properties) else None


def _read_file(file: Path) -> dict[str, Json]:
    try:
        data = json.loads(read_text(file, "JSON file with the input").encode())
    except MalformedJson as error:
        raise UsageError(f"--input-file {file}: {error.message}") from None
    if not is_object(data):
        raise UsageError(
            f'--input-file {file} must contain a JSON object, such as {{"name": "value"}}.'
        )
    return data


def _read_pair(pair: str, types: Mapping[str, frozenset[str]]) -> tuple[str, Json]:
    name, equals, written = pair.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":").strip()
    if not equals or not name:
        raise UsageError(f"--input `{pair}` lacks a name or a value. {_FORM}")
    value = _text_of(name, written)
    declared = types.get(name)
    if not is_json and (declared is None or "string" in declared):
        return name, value
    try:
        return name, json.loads(value.encode())
    except MalformedJson as error:
        refusal = f"`{written}` is not valid JSON: {error.reason or error.message}"
        if not is_json and declared:
            kinds = " or ".join(_KINDS.get(kind, kind) for kind in sorted(declared))
            is_word = declared.isdisjoint(("array", "object")) and not re.search("[0-9@]", written)
            refusal = (
                f"`{name}` must be {kinds}, but it is {f'`{written}`' if written else 'empty'}."
                if is_word
                else f"`{name}` must be {kinds}, written as JSON. {refusal}"
            )
        form = f" {_FORM}" if is_json else ""
        raise UsageError(f"--input {name}: {refusal}{form}") from None


def _text_of(name: str, written: str) -> str:
    """A value as it is written, or the text of the file that it names."""
    if not written.startswith("@") or written.startswith("@@"):
        return written.removeprefix("@")
    file = Path(written[1:])
    try:
        # A file saved by an editor on Windows can start with a byte order mark.
        text = read_bytes(file, "name of a text file").decode("utf-8-sig")
    except UsageError as error:
        hint = "To start a text with `@`, write `@@`."
        raise UsageError(f"--input {name}: {error.message} {hint}") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(
            f"--input {name}: {file} is not a text file in UTF-8. Other files, such as PDFs and pictures, are not"
            " supported yet: see `stepiq docs roadmap`."
        )
    return text


def explain_invalid(error: "InputInvalid") -> None:
    """Print why an input is refused, and the options that add the fields that it lacks."""
    explain(error)
    # One with a suggestion is there, but misspelled.
    missing = [
        issue.path
        for issue in error.issues
        if issue.code == "required" and "Did you mean" not in issue.message
    ]
    # A field of an object is a part of the object's JSON.
    pairs = " ".join(f"--input {name}=…" for name in missing if _NAME.fullmatch(name))
    if pairs:
        say(f"Add {pairs}")
