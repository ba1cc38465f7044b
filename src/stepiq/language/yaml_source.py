"""YAML text → data and places, under the 1.2 core schema and without the parts JSON data has no word for.

The C parser gives events and we build the data from them: nothing is resolved, expanded or constructed behind
our back, and nesting is counted before it costs anything.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from yaml import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    YAMLError,
)
from yaml._yaml import CParser
from yaml.error import Mark
from yaml.events import CollectionStartEvent

from stepiq.core import collector
from stepiq.core.errors import Issue
from stepiq.core.json import MAX_NUMBER_DIGITS, Json
from stepiq.language.places import Path, Place, write_path

MAX_DEPTH = 32
"""Deepest nesting of a definition's lists and mappings."""
_MAX_ISSUES = 50

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]++|0o[0-7]++|0x[0-9a-fA-F]++")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]++|[0-9]++(?:\.[0-9]*+)?)(?:[eE][-+]?[0-9]++)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_PAIR = re.compile(r"\w:(?:\s|$)")
_HINT = (
    " The document arrived as one line: `curl -d @file` strips the line breaks, "
    "`curl --data-binary @file` keeps them."
)


def is_flattened(text: str) -> bool:
    """Whether the text looks like a document that lost its line breaks on the way."""
    stripped = text.strip()
    if "\n" in stripped or stripped.startswith(("{", "[")):
        return False
    return len(_PAIR.findall(stripped)) > 1


def read(text: str) -> tuple[Json, list[Issue], bool, Place]:
    """Read YAML: the data, what was refused, whether the data can be used, and its places."""
    builder = _Builder()
    try:
        with collector.paused():
            parser = CParser(text)
            while (event := parser.get_event()) is not None:
                builder.take(event)
    except Stop:
        pass
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = "; ".join(filter(None, (error.problem, error.context)))
        builder.refuse("syntax", f"This is not YAML: {reason}.", mark, fatal=True)
    except YAMLError as error:
        reason = " ".join(str(error).split())
        builder.refuse("syntax", f"This is not YAML: {reason}.", None, fatal=True)
    issues = builder.issues
    if is_flattened(text):
        if builder.data is None and not issues:
            issues = [Issue("", "syntax", "The document holds nothing but a comment.", 1, 1)]
        issues = [replace(issue, message=issue.message + _HINT) for issue in issues]
    return builder.data, issues, not builder.is_fatal, builder.root


class Stop(Exception):
    """Reading on would give nothing."""


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    value: list[Any] | dict[str, Any]
    place: Place
    key: str | None = None
    """The key whose value comes next."""
    key_position: tuple[int, int] | None = None
    count: int = 0
    """How many items are complete."""
    is_duplicate: bool = False
    """The value that comes next is read, but not kept."""

    @property
    def expects_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    @property
    def next_part(self) -> str | int | None:
        """The key or index of the value that comes next or is being read."""
        if isinstance(self.value, dict):
            return self.key
        return self.count


class _Builder:
    """Puts events together. Goes on after a refusal where the rest still means something."""

    def __init__(self) -> None:
        self.data: Json = None
        self.root = Place(1, 1)
        self.issues: list[Issue] = []
        self.is_fatal = False
        self._has_document = False
        self._open: list[_Open] = []

    def take(self, event: Event) -> None:
        match event:
            case ScalarEvent():
                self._take_scalar(event)
            case MappingStartEvent():
                self._start(event, {})
            case SequenceStartEvent():
                self._start(event, [])
            case MappingEndEvent() | SequenceEndEvent():
                self._open.pop()
                self._complete()
            case AliasEvent():
                self._take_alias(event)
            case DocumentStartEvent():
                self._start_document(event)
            case _:
                pass

    def refuse(self, code: str, message: str, mark: Mark | None, *, fatal: bool = False) -> None:
        """Note an issue; a fatal one means that the data cannot be used."""
        self.is_fatal = self.is_fatal or fatal
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        self.issues.append(Issue(write_path(self._path()), code, message, line, column))
        if len(self.issues) == _MAX_ISSUES:
            raise Stop

    def _path(self) -> Path:
        """Where the next value goes."""
        parts = [container.next_part for container in self._open]
        return tuple(part for part in parts if part is not None)

    def _start_document(self, event: DocumentStartEvent) -> None:
        if self._has_document:
            self.refuse(
                "syntax",
                "A file holds one definition; a second document starts here. Remove the `---`.",
                event.start_mark,
                fatal=True,
            )
            raise Stop
        if event.tags:
            self.refuse(
                "yaml_tag",
                "YAML tags are not part of the language. Remove `%TAG`.",
                event.start_mark,
            )
        self._has_document = True

    def _take_scalar(self, event: ScalarEvent) -> None:
        self._refuse_properties(event)
        if "\x00" in event.value:
            self.refuse(
                "invalid_character",
                "The character U+0000 cannot be part of a definition. Remove it.",
                event.start_mark,
                fatal=True,
            )
        is_plain = bool(event.implicit[0]) and event.tag is None
        if self._open and self._open[-1].expects_key:
            self._take_key(event, is_plain)
            return
        value = self._resolve(event) if is_plain else event.value
        self._attach(value, self._place(event, is_block=event.style in ("|", ">")))
        self._complete()

    def _take_key(self, event: ScalarEvent, is_plain: bool) -> None:
        container = self._open[-1]
        key = event.value
        mark = event.start_mark
        if is_plain and key == "<<":
            self.refuse(
                "yaml_merge",
                "Merge keys (`<<`) are not part of the language. Write the fields out.",
                mark,
            )
        elif key in container.value:
            self.refuse(
                "duplicate_key", f"`{key[:60]}` stands here twice. Keep one of the two.", mark
            )
            container.is_duplicate = True
        container.key = key
        container.key_position = (mark.line + 1, mark.column + 1)

    def _start(self, event: CollectionStartEvent, value: list[Any] | dict[str, Any]) -> None:
        self._refuse_properties(event)
        if self._open and self._open[-1].expects_key:
            self.refuse(
                "syntax",
                "A key is a text; here it is a list or mapping. Quote a value that starts with `{` or `[`.",
                event.start_mark,
                fatal=True,
            )
            raise Stop
        if len(self._open) == MAX_DEPTH:
            self.refuse(
                "too_deep",
                f"The definition nests deeper than {MAX_DEPTH} levels.",
                event.start_mark,
                fatal=True,
            )
            raise Stop
        place = self._place(event)
        self._attach(value, place)
        self._open.append(_Open(value, place))

    def _take_alias(self, event: AliasEvent) -> None:
        self.refuse(
            "yaml_alias",
            f"Aliases (`*{event.anchor[:60]}`) are not part of the language. Write the value out.",
            event.start_mark,
            fatal=True,
        )
        if self._open and self._open[-1].expects_key:
            self._open[-1].key = f"*{event.anchor}"
        else:
            self._attach(None, self._place(event))
            self._complete()

    def _complete(self) -> None:
        """The value that was read last has come to its end."""
        if self._open:
            container = self._open[-1]
            container.count += 1
            container.key, container.key_position, container.is_duplicate = None, None, False

    def _refuse_properties(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.anchor is not None:
            self.refuse(
                "yaml_anchor",
                f"Anchors (`&{event.anchor[:60]}`) are not part of the language. Remove it.",
                event.start_mark,
            )
        if event.tag is not None:
            self.refuse(
                "yaml_tag",
                f"Tags (`{event.tag[:60]}`) are not part of the language. Remove it.",
                event.start_mark,
            )

    def _place(self, event: Event, *, is_block: bool = False) -> Place:
        key = self._open[-1].key_position if self._open else None
        mark = event.start_mark
        return Place(mark.line + 1, mark.column + 1, key, is_block)

    def _attach(self, value: Json, place: Place) -> None:
        if not self._open:
            self.data, self.root = value, place
            return
        container = self._open[-1]
        if isinstance(container.value, list):
            container.value.append(value)
            container.place.add(container.count, place)
            return
        if container.key is not None and not container.is_duplicate:
            container.value[container.key] = value
            container.place.add(container.key, place)

    def _resolve(self, event: ScalarEvent) -> Json:
        text = event.value
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        if text[0] not in "+-.0123456789":
            return text
        if _NOT_FINITE.fullmatch(text):
            return self._refuse_number(event, f"`{text}` is not a number that JSON can hold.")
        is_integer = _INTEGER.fullmatch(text) is not None
        if not is_integer and not _FLOAT.fullmatch(text):
            return text
        if len(text) > MAX_NUMBER_DIGITS:
            return self._refuse_number(
                event,
                f"This number has more than {MAX_NUMBER_DIGITS} characters. Quote it if it is a text.",
            )
        if is_integer:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        number = float(text)
        if math.isinf(number):
            return self._refuse_number(event, "This number is larger than JSON readers can hold.")
        return number

    def _refuse_number(self, event: ScalarEvent, message: str) -> None:
        self.refuse("invalid_number", message, event.start_mark, fatal=True)
