"""Anchors, tags and aliases. They are refused, and parsing continues after them."""

import re

from stepiq.language.documents.yaml.scanner import BLANKS, Scanner, must_quote

_PROPERTY = re.compile(r"(&[^ \t\n,\[\]{}]*+|!<[^>\n]*+>|![^ \t\n,\[\]{}]*+)[ \t]*+")
_ALIAS = re.compile(r"\*([^ \t\n,\[\]{}]*+)")
_MORE = re.compile(r"[ \t]++[^ \t\n#:,\]}]")


def properties(s: Scanner) -> bool:
    """Refuse the anchors and tags before a value; returns whether there are any."""
    start = s.at
    while found := _PROPERTY.match(s.text, s.at):
        name = f"`{found[1][:60]}`"
        if found[1][0] == "&":
            message = f"{name} is a YAML anchor, which is not supported. Remove it, or put a value that starts with `&` in quotes."
            s.refuse("yaml_anchor", message, s.at)
        else:
            tagged = f"{name} is a YAML tag, which is not supported. Remove it, or put a value that starts with `!` in quotes."
            s.refuse("yaml_tag", tagged, s.at)
        s.at = found.end()
    return s.at > start


def alias(s: Scanner) -> str:
    """Refuse an alias, and return it as a text so that parsing can continue."""
    found = _ALIAS.match(s.text, s.at)
    name = found[1][:60] if found else ""
    if found and _MORE.match(s.text, found.end()):
        s.fail(must_quote(s, s.at, "starts with `*`"), s.at, "yaml_alias")
    message = f"`*{name}` is a YAML alias, which is not supported. Write the value out, or put a value that starts with `*` in quotes."
    # The merge key is reported already, and covers its value.
    if s.path[-1:] == ["<<"]:
        s.is_readable = False
    else:
        s.spoil("yaml_alias", message, s.at)
    s.at = found.end() if found else s.at + 1
    return f"*{name}"


def alias_key(s: Scanner) -> str | None:
    """Refuse an alias used as a key, and skip its colon; None if the alias is not a key."""
    found = _ALIAS.match(s.text, s.at)
    blanks = BLANKS.match(s.text, found.end()) if found else None
    if blanks is None or s.text[blanks.end()] != ":" or not s.is_blank(blanks.end() + 1):
        return None
    name = alias(s)
    s.at = blanks.end() + 1
    return name
