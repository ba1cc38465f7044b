"""Block lists and mappings, and the values in them."""

import re
from dataclasses import dataclass
from typing import NoReturn

from stepiq.core.json import Json
from stepiq.language.documents.yaml import scalars
from stepiq.language.documents.yaml.flow import accept_key, flow
from stepiq.language.documents.yaml.scanner import (
    COLLECTION_KEY,
    NO_KEY,
    Scanner,
    alias,
    alias_key,
    in_quotes,
    must_quote,
    properties,
    rest_of_line,
    shown,
    spaces,
)
from stepiq.language.places import Place

Node = tuple[Json, Place]
_MORE = "The value ends before this text. Put the whole value in quotes, or start a new line."
_NAME_WITHOUT_SPACE = re.compile(r"([A-Za-z_]\w*):([^ \t\n/][^\n]*)")
_MARK_AT_END = re.compile(r"(?:^|[ \t:-])([|>][-+1-9]*)[ \t]*\Z")


def value(s: Scanner, parent: int, *, is_field: bool = False) -> Node:
    """The value after an indicator, on its line or on the following lines that are indented deeper than `parent`.

    The items of a list that is the value of a field may be in the column of the field.
    """
    behind = s.at
    _skip_blanks(s)
    properties(s)
    if s.text[s.at] not in "#\n":
        if s.is_dash:
            s.fail("A list must start on a new line. Move the `- ` to the line below.")
        return _inline(s, parent)
    s.end_line(_MORE)
    s.next_line()
    if s.indent > parent or (is_field and s.indent == parent and s.is_dash):
        return block(s, parent)
    return None, s.place(behind)


def block(s: Scanner, parent: int) -> Node:
    """A list, mapping or other value that starts at the first column of a line or after a `- `."""
    if s.is_dash:
        return _list(s)
    start = s.at
    if properties(s) and s.text[s.at] in "#\n":
        s.at = start
        return value(s, parent)
    column = s.indent
    if (key := _key(s)) is not None:
        return _mapping(s, column, start, key)
    return _inline(s, parent)


def _list(s: Scanner) -> Node:
    column = s.indent
    start = s.at
    place = s.place(start)
    inner = place
    items: list[Json] = []
    s.enter(0, start)
    s.columns.append((column, True))
    while s.indent == column and s.is_dash:
        s.path[-1] = len(items)
        s.at += 1
        item, inner = _item(s, column)
        place.add(len(items), inner)
        items.append(item)
    if s.indent == column and (column, False) not in s.columns:
        _no_item(s, items[-1], inner.column - 1)
    _check_indent(s, column)
    s.columns.pop()
    s.path.pop()
    return items, place


def _item(s: Scanner, column: int, *, is_field: bool = False) -> Node:
    """The value after a `-` or the colon of a marked key. A list or mapping may start on the same line."""
    behind = s.at
    _skip_blanks(s)
    if s.text[s.at] in "#\n":
        s.at = behind
        return value(s, column, is_field=is_field)
    s.indent = column + 1 + s.at - behind
    at = s.at
    node = block(s, column)
    if isinstance(node[0], list | dict) and s.text[at] not in "[{" and "\t" in s.text[behind:at]:
        s.fail("There is a tab before this value. Replace it with a space.", behind)
    return node


@dataclass(frozen=True, slots=True)
class _Key:
    text: str
    at: int
    is_plain: bool
    is_marked: bool = False
    """Whether it is written as `? key`, with an optional value after a colon at the start of a line."""


def _mapping(s: Scanner, column: int, start: int, key: _Key) -> Node:
    place = s.place(start)
    fields: dict[str, Json] = {}
    s.enter(None, start)
    s.columns.append((column, False))
    while True:
        is_new = accept_key(s, fields, key.text, key.at, is_plain=key.is_plain)
        s.path[-1] = key.text
        found, inner = (
            _marked_value(s, column) if key.is_marked else value(s, column, is_field=True)
        )
        if is_new:
            inner.key = s.position(key.at)
            fields[key.text] = found
            place.add(key.text, inner)
        s.path[-1] = None
        if s.indent != column:
            break
        properties(s)
        if (next_key := _key(s)) is None:
            _no_key(s)
        key = next_key
    _check_indent(s, column)
    s.columns.pop()
    s.path.pop()
    return fields, place


def _key(s: Scanner) -> _Key | None:
    at, found = s.at, s.text[s.at]
    if found == "*":
        text = alias_key(s)
    elif found in "?:" and s.is_blank(at + 1):
        if found == "?":
            return _marked_key(s)
        s.fail(NO_KEY)
    else:
        text = scalars.key(s)
    return None if text is None else _Key(text, at, found not in "\"'")


def _marked_key(s: Scanner) -> _Key:
    column = s.indent
    s.at += 1
    _skip_blanks(s)
    if s.text[s.at] in "#\n":
        s.end_line(_MORE)
        s.next_line()
        if s.indent <= column:
            s.fail(NO_KEY)
    properties(s)
    at, found = s.at, s.text[s.at]
    if found in "[{" or s.is_dash:
        s.fail(COLLECTION_KEY)
    if found in "|>":
        text = scalars.block(s, column)
        s.next_line()
    else:
        written = scalars.quoted(s, column) if found in "\"'" else scalars.plain(s, column)
        text = s.fail(NO_KEY) if written is None else written
        _finish(s, at)
    return _Key(text, at, found not in "\"'|>", is_marked=True)


def _marked_value(s: Scanner, column: int) -> Node:
    if s.indent != column or s.text[s.at] != ":" or not s.is_blank(s.at + 1):
        return None, s.place(s.at)
    s.at += 1
    return _item(s, column, is_field=True)


def _inline(s: Scanner, parent: int) -> Node:
    """A value that is not a block list or mapping, up to the end of its last line."""
    start = s.at
    found = s.text[start]
    place = s.place(start, is_block=found in "|>")
    if found in "|>":
        text = scalars.block(s, parent)
        s.next_line()
        return text, place
    if found in "[{":
        node = flow(s, parent)
        _finish(s, start)
        return node
    if found in "\"'":
        text = scalars.quoted(s, parent)
        _finish(s, start)
        return text, place
    if found == "*":
        node = alias(s), place
        _finish(s, start)
        return node
    text = scalars.plain(s, parent)
    if text is None:
        _no_value(s, found)
    data = scalars.resolve(s, text, start)
    _finish(s, start)
    return data, place


def _finish(s: Scanner, start: int) -> None:
    """Skip the rest of a value's last line, up to the next content."""
    end = s.at
    _skip_blanks(s)
    if s.text[s.at] == ":" and s.is_blank(s.at + 1):
        _second_colon(s, start, end)
    s.at = end
    s.end_line(_behind_quote(s, start) if s.text[start] in "\"'" else _MORE)
    s.next_line()


def _behind_quote(s: Scanner, start: int) -> str:
    """The message about text after a closing quote."""
    quote, written = s.text[start], rest_of_line(s, start)
    if written[-1] == quote:
        written = written[1:-1]
    name = "double" if quote == '"' else "single"
    escape = '\\"' if quote == '"' else "''"
    return f"The {name}-quoted string ends before this. To write `{quote}` inside it, use `{escape}`, or write `{in_quotes(written)}`."


def _second_colon(s: Scanner, start: int, end: int) -> NoReturn:
    if s.text[start] in "[{":
        s.fail(COLLECTION_KEY, start)
    line_start = s.text.rfind("\n", start, end) + 1
    if not line_start:
        s.fail(must_quote(s, start, "contains a colon and a space"), start)
    if found := _NAME_WITHOUT_SPACE.match(s.text, start):
        _no_space(s, found)
    name = s.text[line_start:end].strip()[:60]
    column = s.columns[-1][0] if s.columns else 0
    at = line_start + len(s.text[line_start:end]) - len(s.text[line_start:end].lstrip())
    advice = f"Indent it by {spaces(column)}" if column else "Remove its indentation"
    s.fail(
        f"`{name}` is indented more than the field above, so it is part of that field's value. "
        f"{advice} to make it a field.",
        at,
    )


def _no_key(s: Scanner) -> NoReturn:
    if s.is_dash:
        s.fail(
            "A list item cannot follow the fields of an object. Indent it like the list that it belongs to."
        )
    if found := _NAME_WITHOUT_SPACE.match(s.text, s.at):
        _no_space(s, found)
    above = s.text[: s.text.rfind("\n", 0, s.at)].rstrip("\n")
    if mark := _MARK_AT_END.search(above[above.rfind("\n") + 1 :]):
        s.fail(
            f"Indent the lines of the text below `{mark[1]}` by at least {spaces(s.indent + 1)}."
        )
    name = rest_of_line(s, s.at)[:60]
    s.fail(
        f"A colon is missing. Write `{name}:`, or indent this line if it belongs to the value above."
    )


def _no_item(s: Scanner, item: Json, column: int) -> NoReturn:
    """Refuse a line in the column of a list that is not an item. `column` is that of the fields of the item above."""
    name, colon, rest = rest_of_line(s, s.at)[:60].partition(":")
    if isinstance(item, dict) and colon and rest[:1] in ("", " "):
        s.fail(
            f"`{name}` is indented like the `-` above it, so it is not part of that list item. "
            f"Indent it by {spaces(column)} to make it a field of the item."
        )
    s.fail(
        "This line is indented like the `-` above it, but it is not a list item. Start it with `- `."
    )


def _no_space(s: Scanner, found: re.Match[str]) -> NoReturn:
    s.fail(
        f"A space is missing after the colon. Write `{found[1][:60]}: {found[2][:60]}`.",
        found.start(),
    )


def _no_value(s: Scanner, found: str) -> NoReturn:
    if found in "%@`":
        s.fail(must_quote(s, s.at, f"starts with {shown(found)}"))
    s.fail(f"A value cannot start with `{found}`. Put it in quotes.")


def _check_indent(s: Scanner, column: int) -> None:
    """Check that the line after a list or mapping belongs to one of the enclosing ones."""
    if s.indent > column:
        what = "list item" if s.columns[-1][1] else "field"
        s.fail(
            f"This line is indented by {spaces(s.indent)}, the {what} above it by {column}. Use the same indentation for both."
        )
    if s.indent < 0 or any(s.indent == known for known, _ in s.columns):
        return
    known = [each for each, is_list in s.columns if is_list == s.is_dash and each > s.indent] or [
        column
    ]
    what = "items" if s.is_dash else "fields"
    s.fail(
        f"This line is indented by {spaces(s.indent)}, the {what} above it by {known[0]}. Use the same indentation."
    )


def _skip_blanks(s: Scanner) -> None:
    while s.text[s.at] in " \t":
        s.at += 1
