"""Lists and mappings by indentation, and what is inside them."""

from typing import NoReturn

from stepiq.core.json import Json
from stepiq.language.places import Place
from stepiq.language.yaml import scalars
from stepiq.language.yaml.flow import accept_key, flow
from stepiq.language.yaml.properties import alias, alias_key, properties
from stepiq.language.yaml.scanner import BLANKS, Scanner, must_quote

Node = tuple[Json, Place]


def value(s: Scanner, parent: int, *, is_field: bool = False) -> Node:
    """What follows an indicator, on its line or on the lines below that are indented deeper than `parent`.

    The items of a list that is a field's value may be at the column of the field.
    """
    behind = s.at
    _skip_blanks(s)
    properties(s)
    if s.text[s.at] not in "#\n":
        if s.is_dash:
            s.fail("A list starts on a line of its own. Write `- ` on the line below.")
        return _inline(s, parent)
    s.end_line("this")
    s.next_line()
    if s.indent > parent or (is_field and s.indent == parent and s.is_dash):
        return block(s, parent)
    return None, s.place(behind)


def block(s: Scanner, parent: int) -> Node:
    """A list, mapping or other value that starts at the first column of a line or behind a `- `."""
    if s.is_dash:
        return _list(s)
    start = s.at
    if properties(s) and s.text[s.at] in "#\n":
        s.at = start
        return value(s, parent)
    key_at = s.at
    key = _key(s)
    if key is not None:
        return _mapping(s, start, key, key_at)
    return _inline(s, parent)


def _list(s: Scanner) -> Node:
    column = s.indent
    start = s.at
    place = s.place(start)
    items: list[Json] = []
    s.enter(0, start)
    s.columns.append(column)
    while s.indent == column and s.is_dash:
        s.path[-1] = len(items)
        s.at += 1
        item, inner = _item(s, column)
        place.add(len(items), inner)
        items.append(item)
    _check_indent(s, column)
    s.columns.pop()
    s.path.pop()
    return items, place


def _item(s: Scanner, column: int) -> Node:
    behind = s.at
    _skip_blanks(s)
    if s.text[s.at] in "#\n":
        s.at = behind
        return value(s, column)
    s.indent = column + 1 + s.at - behind
    at = s.at
    node = block(s, column)
    if isinstance(node[0], list | dict) and s.text[at] not in "[{" and "\t" in s.text[behind:at]:
        s.fail("Write one space behind `-`, not a tab.", behind)
    return node


def _mapping(s: Scanner, start: int, key: str, key_at: int) -> Node:
    column = s.indent
    place = s.place(start)
    fields: dict[str, Json] = {}
    s.enter(None, start)
    s.columns.append(column)
    while True:
        is_new = accept_key(s, fields, key, key_at, is_plain=s.text[key_at] not in "\"'")
        s.path[-1] = key
        found, inner = value(s, column, is_field=True)
        if is_new:
            inner.key = s.position(key_at)
            fields[key] = found
            place.add(key, inner)
        s.path[-1] = None
        if s.indent != column:
            break
        properties(s)
        key_at = s.at
        if (next_key := _key(s)) is None:
            _no_key(s)
        key = next_key
    _check_indent(s, column)
    s.columns.pop()
    s.path.pop()
    return fields, place


def _key(s: Scanner) -> str | None:
    found = s.text[s.at]
    if found == "*":
        return alias_key(s)
    if found in "?:" and s.is_blank(s.at + 1):
        if found == "?":
            s.fail("Keys marked with `?` are not supported. Write `key: value`.")
        s.fail("The key before this colon is missing.")
    return scalars.key(s)


def _inline(s: Scanner, parent: int) -> Node:
    """A value that is neither a list nor a mapping by indentation, up to the end of its last line."""
    start = s.at
    found = s.text[start]
    place = s.place(start, is_block=found in "|>")
    if found in "|>":
        text = scalars.block(s, parent)
        s.next_line()
        return text, place
    if found in "[{":
        node = flow(s, parent)
        _finish(s, start, f"`{s.text[s.at - 1]}`")
        return node
    if found in "\"'":
        text = scalars.quoted(s, parent)
        _finish(s, start, "the closing quote")
        return text, place
    if found == "*":
        node = alias(s), place
        _finish(s, start, "the alias")
        return node
    text = scalars.plain(s, parent)
    if text is None:
        _no_value(s, found)
    data = scalars.resolve(s, text, start)
    _finish(s, start, "this value")
    return data, place


def _finish(s: Scanner, start: int, what: str) -> None:
    """Past the end of a value's last line, to the next content."""
    end = s.at
    _skip_blanks(s)
    if s.text[s.at] == ":" and s.is_blank(s.at + 1):
        _second_colon(s, start, end)
    s.at = end
    s.end_line(what)
    s.next_line()


def _second_colon(s: Scanner, start: int, end: int) -> NoReturn:
    if s.text[start] in "[{":
        s.fail(
            "A key must be a text; this one is a list or mapping. Put a value that starts with `{` or `[` in quotes.",
            start,
        )
    line_start = s.text.rfind("\n", start, end) + 1
    if line_start:
        line, _ = s.position(start)
        at = line_start + len(s.text[line_start:end]) - len(s.text[line_start:end].lstrip())
        name = s.text[at:end][:60]
        s.fail(
            f"`{name}:` is indented as a part of the value that starts on line {line}. "
            "Indent it like the other fields.",
            at,
        )
    s.fail(must_quote(s, start, "contains a colon followed by a space"), start)


def _no_key(s: Scanner) -> NoReturn:
    if s.is_dash:
        s.fail(
            "A list item cannot follow the fields of a mapping at the same indentation. Indent the list below its field."
        )
    rest = s.text[s.at : s.text.index("\n", s.at)].rstrip()
    name, colon, written = rest.partition(":")
    if colon and written and name.replace("_", "").isalnum():
        s.fail(f"A space is missing after the colon. Write `{name[:60]}: {written[:60]}`.")
    s.fail("A field is missing its colon here. Write `name: value`.")


def _no_value(s: Scanner, found: str) -> NoReturn:
    if found in "%@`":
        s.fail(must_quote(s, s.at, f"starts with `{found}`"))
    if found == "?":
        s.fail("Keys marked with `?` are not supported. Write `key: value`.")
    s.fail(f"A value cannot start with `{found}`. Put it in quotes.")


def _check_indent(s: Scanner, column: int) -> None:
    """The line behind a list or mapping continues one of those around it."""
    if s.indent > column:
        s.fail(
            f"This line is indented by {s.indent} spaces, and the line it continues by {column}. Indent both the same."
        )
    if s.indent >= 0 and s.indent not in s.columns:
        known = " or ".join(str(each) for each in sorted(set(s.columns)))
        s.fail(
            f"This line is indented by {s.indent} spaces, which matches no line above. Indent it by {known} spaces."
        )


def _skip_blanks(s: Scanner) -> None:
    found = BLANKS.match(s.text, s.at)
    if found:
        s.at = found.end()
