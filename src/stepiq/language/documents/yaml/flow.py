"""Flow lists and mappings: `[a, b]` and `{a: 1}`."""

import re

from stepiq.core.json import Json
from stepiq.language.documents.yaml import scalars
from stepiq.language.documents.yaml.scanner import (
    BLANKS,
    COLLECTION_KEY,
    COMMENT,
    END,
    NO_KEY,
    Scanner,
    alias,
    must_quote,
    properties,
    shown,
    spaces,
)
from stepiq.language.places import Place

_GAP = re.compile(r"(?:[ \t\n]++|(?<=[ \t\n])#[^\n]*+)*+")
_CLOSING = {"[": "]", "{": "}"}


def flow(s: Scanner, parent: int) -> tuple[Json, Place]:
    """A flow list or mapping, whose lines are indented deeper than `parent`."""
    start = s.at
    if s.text.startswith("{{", start):
        s.fail(must_quote(s, start, "starts with `{{`"))
    place = s.place(start)
    s.at += 1
    s.enter(None, start)
    s.brackets.append(start)
    if s.text[start] == "[":
        value = _list(s, parent, start, place)
    else:
        value = _mapping(s, parent, start, place)
    s.brackets.pop()
    s.path.pop()
    return value, place


def _list(s: Scanner, parent: int, start: int, place: Place) -> Json:
    items: list[Json] = []
    while _has_entry(s, parent, start, is_first=not items):
        s.path[-1] = len(items)
        item, inner = _item(s, parent)
        place.add(len(items), inner)
        items.append(item)
    return items


def _mapping(s: Scanner, parent: int, start: int, place: Place) -> Json:
    fields: dict[str, Json] = {}
    is_first = True
    while _has_entry(s, parent, start, is_first=is_first):
        s.path[-1] = None
        is_first = False
        _skip_mark(s, parent)
        at = s.at
        key, is_quoted = _text(s, parent)
        if not key and not is_quoted:
            s.fail(NO_KEY)
        _gap(s, parent)
        _add_pair(s, parent, fields, place, key, at, is_quoted=is_quoted)
    return fields


def accept_key(s: Scanner, fields: dict[str, Json], key: str, at: int, *, is_plain: bool) -> bool:
    """Whether a mapping does not have a key yet; duplicate and merge keys are reported."""
    part, s.path[-1] = s.path[-1], None
    if is_plain and key == "<<":
        s.refuse("yaml_merge", "Merge keys (`<<`) are not supported. Write the fields out.", at)
    is_new = key not in fields
    if not is_new:
        s.refuse(
            "duplicate_key",
            f"`{key[:60]}` occurs twice in this object. Remove one of the two.",
            at,
        )
    s.path[-1] = part
    return is_new


def _has_entry(s: Scanner, parent: int, start: int, *, is_first: bool) -> bool:
    """Skip to the next entry, past its comma. At the closing bracket, skip it and return False."""
    opening = s.text[start]
    closing = _CLOSING[opening]
    _gap(s, parent)
    found = s.text[s.at]
    if not is_first and found == ",":
        s.at += 1
        _gap(s, parent)
        found = s.text[s.at]
    elif not is_first and found not in (closing, END):
        _no_comma(s, start, closing)
    if found == closing:
        s.at += 1
        return False
    if found == END:
        s.fail(f"`{opening}` has no closing `{closing}`. Add it.", start)
    if found == ",":
        s.fail("An item is missing before this comma. Remove the comma.")
    if found in "]}":
        s.fail(_wrong_bracket(found, opening))
    return True


def _wrong_bracket(found: str, opening: str) -> str:
    return f"`{found}` does not close `{opening}`. Write `{_CLOSING[opening]}`."


def _no_comma(s: Scanner, start: int, closing: str) -> None:
    found, opening = s.text[s.at], s.text[start]
    if found == "#":
        s.fail(COMMENT)
    if found in "]}":
        s.fail(_wrong_bracket(found, opening))
    if found == ":":
        s.fail(
            "A colon cannot be here. Write a comma between two fields, or put a value that contains a colon in quotes."
        )
    s.fail(
        f"Write `,` or `{closing}` here. The brackets were opened on line {s.position(start)[0]}."
    )


def _gap(s: Scanner, parent: int) -> None:
    """Skip blanks, line breaks and comments. Lines must be indented; a closing bracket may be in the parent column."""
    found = _GAP.match(s.text, s.at)
    behind = found.end() if found else s.at
    line_break = s.text.rfind("\n", s.at, behind)
    s.at = behind
    if line_break < 0 or s.text[behind] == END:
        return
    indent = len(s.text[line_break + 1 : behind].split("\t", 1)[0])
    needed = parent if s.text[behind] in "]}" else parent + 1
    if indent < needed or s.is_marker(line_break + 1):
        start = s.brackets[-1]
        closing = _CLOSING[s.text[start]]
        line, _ = s.position(s.at)
        s.fail(
            f"`{s.text[start]}` has no closing `{closing}` before line {line}. Add it, or indent the lines inside the "
            f"brackets by at least {spaces(needed)}.",
            start,
        )


def _item(s: Scanner, parent: int) -> tuple[Json, Place]:
    """An entry of a list, which may be a single pair: `[a: 1]`."""
    is_marked = _skip_mark(s, parent)
    start = s.at
    if properties(s):
        _gap(s, parent)
    if s.text[s.at] in "[{":
        value, place = flow(s, parent)
        if is_marked or _is_colon(s, is_quoted=True):
            s.fail(COLLECTION_KEY, start)
        return value, place
    place = s.place(start)
    text, is_quoted = _text(s, parent)
    if is_marked and not text and not is_quoted:
        s.fail(NO_KEY)
    if not is_marked and not _is_colon(s, is_quoted=is_quoted):
        return text if is_quoted else scalars.resolve(s, text, start), place
    if not is_marked and "\n" in s.text[start : s.at]:
        s.fail("A key must be on one line.", start)
    if is_marked:
        _gap(s, parent)
    s.enter(None, start)
    fields: dict[str, Json] = {}
    _add_pair(s, parent, fields, place, text, start, is_quoted=is_quoted)
    s.path.pop()
    return fields, place


def _skip_mark(s: Scanner, parent: int) -> bool:
    """Skip the `?` before a key; returns whether there is one."""
    if s.text[s.at] != "?" or s.text[s.at + 1] not in " \t\n,[]{}":
        return False
    s.at += 1
    _gap(s, parent)
    return True


def _is_colon(s: Scanner, *, is_quoted: bool) -> bool:
    """Whether the colon of a pair follows on the line. Only after quotes, the colon needs no space after it."""
    found = BLANKS.match(s.text, s.at)
    behind = found.end() if found else s.at
    after = s.text[behind + 1 : behind + 2]
    if s.text[behind] != ":" or not (is_quoted or after in " \t\n,[]{}"):
        return False
    if after in "[{" and not is_quoted:
        s.fail(f"A space is missing after the colon. Write `: {after}`.", behind)
    s.at = behind
    return True


def _add_pair(
    s: Scanner,
    parent: int,
    fields: dict[str, Json],
    place: Place,
    key: str,
    key_at: int,
    *,
    is_quoted: bool,
) -> None:
    """Read the value after a key, and add both to a mapping."""
    is_new = accept_key(s, fields, key, key_at, is_plain=not is_quoted)
    s.path[-1] = key
    value, inner = None, s.place(s.at)
    if _is_colon(s, is_quoted=is_quoted):
        s.at += 1
        inner = s.place(s.at)
        _gap(s, parent)
        if s.text[s.at] not in ",]}":
            value, inner = _value(s, parent)
    if is_new:
        inner.key = s.position(key_at)
        fields[key] = value
        place.add(key, inner)


def _value(s: Scanner, parent: int) -> tuple[Json, Place]:
    start = s.at
    if properties(s):
        _gap(s, parent)
    if s.text[s.at] in "[{":
        return flow(s, parent)
    place = s.place(start)
    text, is_quoted = _text(s, parent)
    return text if is_quoted else scalars.resolve(s, text, start), place


def _text(s: Scanner, parent: int) -> tuple[str, bool]:
    """A text, and whether it is in quotes."""
    if properties(s):
        _gap(s, parent)
    found = s.text[s.at]
    if found in "\"'":
        return scalars.quoted(s, parent), True
    if found == "*":
        return alias(s), False
    text = scalars.plain(s, parent, is_flow=True)
    if text is None and found not in ",]}":
        s.fail(
            _NO_TEXT.get(found) or f"A value cannot start with {shown(found)}. Put it in quotes."
        )
    return text or "", False


_NO_TEXT = {
    "[": COLLECTION_KEY,
    "{": COLLECTION_KEY,
    ":": NO_KEY,
    "#": COMMENT,
    "-": "A list in brackets has no `-`. Separate its items with commas: `[a, b]`.",
    END: "A value is missing, and the brackets around it are not closed. Add both.",
}
