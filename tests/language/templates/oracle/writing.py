"""Random templates that mostly say something about the data they are written for."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.language.templates.oracle import contexts

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz_$-é日0123456789")
_WORDS = [
    "x", "word", "Dear ", ", ", ".", " and ", "{", "}", "}}", "}}}", "\\", "\\x", "é", "😀", "#", "~", "'", '"', "{ {",
    "\\{{gone}}", "\\{{a", "\\\\", "<", "[", "else",
]  # fmt: skip
_SPACES = [
    " ",
    "\n",
    "\n",
    "\n  ",
    "  \n",
    "\t",
    "\r\n",
    " \n\n ",
    "\u00a0",
    "\u2003\n",
    "\r",
    "\v",
    "\ufeff",
]
_HELPERS = ["json", "default", "default", "lookup", "length", "join", "and", "or", "not", "compare"]
_COMPARISONS = ["eq", "ne", "lt", "lte", "gt", "gte"]
_BLOCKS = ["if", "if", "unless", "each", "each", "each", "with"]
_DEEPEST = 4
_PARAMETERS = ["x", "y", "i", "k", "name", "a"]


def _first_item(value: Any) -> Any:
    items = value.values() if isinstance(value, dict) else value
    return next(iter(items), None) if isinstance(value, list | dict) else None


class Level:
    """What names are read from at one place of a template, as far as it can be foretold."""

    def __init__(self, value: Any, *, is_loop: bool = False, parameters: dict[str, Any]) -> None:
        self.value = value
        self.is_loop = is_loop
        self.parameters = parameters


class Writer:
    """Writes one template."""

    def __init__(self, draw: random.Random, context: Any) -> None:
        self._draw = draw
        self._levels = [Level(context, parameters={})]
        self._depth = 0
        self._left = draw.choice([2, 4, 8, 15])
        """Tags that may still come."""

    def template(self) -> str:
        return self._body()

    # -- text and tags --

    def _body(self) -> str:
        parts: list[str] = []
        for _ in range(self._draw.randrange(5)):
            parts.append(self._text())
            parts.append(self._tag())
        return "".join(parts) + self._text()

    def _text(self) -> str:
        pool = _SPACES if self._often(0.55) else _WORDS
        text = "".join(self._draw.choice(pool) for _ in range(self._draw.choice([0, 1, 1, 2])))
        # Most of the time a brace of the text is kept apart from those of a tag.
        return text + " " if text.endswith("{") and self._often(0.95) else text

    def _tag(self) -> str:
        self._left -= 1
        kind = self._draw.random()
        if self._left < 0 or kind < 0.4 or self._depth == _DEEPEST:
            return self._output()
        return self._comment() if kind < 0.5 else self._block()

    def _output(self) -> str:
        inside = self._call() if self._often(0.35) else self._path()
        if self._often(0.15):
            return f"{{{{{self._tilde()}{{{self._gap()}{inside}{self._gap()}}}{self._tilde()}}}}}"
        return self._braces("&" if self._often(0.05) else "", inside)

    def _comment(self) -> str:
        left, right = self._tilde(), self._tilde()
        if self._often(0.5):
            return f"{{{{{left}!-- a }}}} {{{{b}}}} --{right}}}}}"
        return f"{{{{{left}!{self._draw.choice(['', ' note ', '-', ' {{x '])}{right}}}}}"

    def _braces(self, sigil: str, inside: str) -> str:
        return f"{{{{{self._tilde()}{sigil}{self._gap()}{inside}{self._gap()}{self._tilde()}}}}}"

    # -- blocks --

    def _block(self) -> str:
        name = self._draw.choice(_BLOCKS)
        inverse = self._often(0.08)
        head, level = self._head(name)
        if inverse:
            head = head.partition(" as |")[0]
        text = self._line(self._braces("^" if inverse else "#", f"{name} {head}"))
        text += self._inside(None if inverse else level)
        while not inverse and self._often(0.25):
            other = self._draw.choice(_BLOCKS)
            head, level = self._head(other)
            text += self._line(self._braces("", f"else {other} {head}")) + self._inside(level)
        if not inverse and self._often(0.4):
            text += self._line(self._braces(*self._draw.choice([("", "else"), ("^", "")])))
            text += self._inside(None)
        return text + self._line(self._braces("/", name))

    def _line(self, tag: str) -> str:
        """A tag, on a line of its own more often than not."""
        if self._often(0.5):
            return f"\n{self._draw.choice(['', '', '  '])}{tag}\n"
        return tag

    def _inside(self, level: Level | None) -> str:
        self._depth += 1
        with self._inner(level):
            text = self._body()
        self._depth -= 1
        return text

    @contextmanager
    def _inner(self, level: Level | None) -> Iterator[None]:
        if level is not None:
            self._levels.append(level)
        yield
        if level is not None:
            self._levels.pop()

    def _head(self, name: str) -> tuple[str, Level | None]:
        if name in ("if", "unless"):
            if self._often(0.2):
                zero = self._draw.choice(["0", self._reading(wanted=int | float)[0]])
                return f"{zero} includeZero={self._draw.choice(['true', 'false'])}", None
            return self._value(0), None
        is_loop = name == "each"
        lists = list if self._often(0.7) else list | dict
        text, found = self._reading(wanted=lists if is_loop else dict)
        if is_loop and not isinstance(found, list | dict) and self._often(0.9):
            # Nothing else can be looped over.
            text, found = "@root.input", self._levels[0].value["input"]
        value = _first_item(found) if is_loop else found
        names = self._draw.sample(_PARAMETERS, self._draw.choice([0, 0, 1, 1 + is_loop]))
        if names:
            text += f" as{self._gap() or ' '}|{' '.join(names)}|"
        parameters = dict(zip(names, [value, 0], strict=False))
        return text, Level(value, is_loop=is_loop, parameters=parameters)

    # -- values --

    def _value(self, depth: int) -> str:
        kind = self._draw.random()
        if kind < 0.6 or depth == 3:
            return self._path()
        if kind < 0.85:
            return f"({self._gap()}{self._call(depth + 1)}{self._gap()})"
        return self._literal()

    def _call(self, depth: int = 0) -> str:
        name = self._draw.choice(_HELPERS)
        if name == "compare":
            return self._comparison(self._draw.choice(_COMPARISONS), depth)
        if name == "lookup":
            path, found = self._reading(wanted=list | dict)
            return f"lookup {path} {self._key_for(found)}"
        if name == "join":
            path, _ = self._reading(wanted=list)
            return f"join {path}" + f" {self._string()}" * self._often(0.5)
        if name == "length":
            return f"length {self._reading(wanted=list | dict | str)[0]}"
        count = {"json": 1, "not": 1}.get(name) or self._draw.choice([2, 2, 3])
        separator = self._draw.choice([" ", " ", "  ", "\n"])
        return separator.join([name, *(self._value(depth) for _ in range(count))])

    def _comparison(self, name: str, depth: int) -> str:
        left, found = self._reading(wanted=int | float | str)
        if isinstance(found, str):
            right = self._string() if self._often(0.6) else self._reading(wanted=str)[0]
        elif self._often(0.7):
            right = self._number()
        else:
            right = self._value(depth)
        return f"{name} {left} {right}"

    def _key_for(self, found: Any) -> str:
        if isinstance(found, list) and self._often(0.8):
            return str(self._draw.randrange(3))
        if isinstance(found, dict) and found and self._often(0.8):
            return self._quoted(self._draw.choice(list(found)))
        return self._value(3)

    def _literal(self) -> str:
        return self._draw.choice([self._number, self._string, self._constant])()

    def _constant(self) -> str:
        return self._draw.choice(["true", "false", "null", "undefined"])

    def _number(self) -> str:
        return str(self._draw.choice(contexts.NUMBERS))

    def _string(self) -> str:
        return self._quoted(self._draw.choice(contexts.TEXTS))

    def _quoted(self, text: str) -> str:
        quote = self._draw.choice("\"'")
        # There is no way to write a backslash at the end of a text.
        return quote + text.rstrip("\\").replace(quote, "\\" + quote) + quote

    # -- names --

    def _path(self) -> str:
        return self._reading()[0]

    def _reading(self, wanted: Any = object) -> tuple[str, Any]:
        """A name, and what it will probably give: something of the kind that is wanted, if a few tries find any."""
        text, found = self._any_reading()
        for _ in range(5):
            if wanted is object or (isinstance(found, wanted) and not isinstance(found, bool)):
                break
            text, found = self._any_reading()
        return text, found

    def _any_reading(self) -> tuple[str, Any]:
        start, found = self._start()
        parts = [start] if start else []
        steps = self._draw.choice([0, 1, 1, 2, 3] if start else [1, 2, 2, 3, 3, 4])
        for _ in range(steps):
            if isinstance(found, dict) and found:
                name = self._draw.choice(list(found))
                found = found[name]
            elif isinstance(found, list) and found:
                index = self._draw.randrange(len(found))
                name, found = (str(index), found[index]) if self._often(0.9) else ("length", 1)
                name = "0" * self._often(0.01) + name
            else:
                break
            parts.append(self._segment(name))
        if not parts or self._often(0.04):
            parts.append(self._segment(contexts.key(self._draw)))
            found = None
        # A dot that stands for a value is followed by a slash.
        separators = ["/" if part == "." else self._draw.choice("..../") for part in parts[:-1]]
        return parts[0] + "".join(map("".join, zip(separators, parts[1:], strict=True))), found

    def _start(self) -> tuple[str, Any]:
        """Where a name begins: here by default, or further up, at the root, or at what a block names."""
        here = self._levels[-1]
        kind = self._draw.random()
        named = [pair for level in self._levels for pair in level.parameters.items()]
        if named and self._often(0.3):
            return self._draw.choice(named)
        if kind < 0.12:
            return self._draw.choice(["this", "."]), here.value
        if kind < 0.27:
            ups = self._draw.randrange(len(self._levels))
            return "/".join([".."] * ups), self._levels[-1 - ups].value
        if kind < 0.4 or not isinstance(here.value, dict):
            loops = sum(level.is_loop for level in self._levels)
            if loops and self._often(0.6):
                ups = self._draw.randrange(loops) if self._often(0.5) else 0
                return "@" + "../" * ups + self._draw.choice(["index", "key", "first", "last"]), 0
            return "@root", self._levels[0].value
        return "", here.value

    def _segment(self, name: str) -> str:
        if name and set(name) <= _PLAIN and self._often(0.9):
            return name
        # A backslash may be written twice, but need not.
        backslash = self._draw.choice(["\\", "\\\\"])
        return "[" + name.replace("\\", backslash).replace("]", "\\]") + "]"

    # -- chance --

    def _often(self, share: float) -> bool:
        return self._draw.random() < share

    def _tilde(self) -> str:
        return "~" * self._often(0.12)

    def _gap(self) -> str:
        return self._draw.choice(["", "", "", "", " ", "\n", "\u00a0"])


_PIECES = [
    "{{", "}}", "{{{", "}}}", "~", "#", "/", "^", "&", "!", "{{else}}", "{{^}}", "{{/if}}", "{{/each}}", "{{#if ", "{{!--", "--}}",
    "(", ")", "'", '"', "\\", "|", "=", "as |x|", " ", "\n", ".", "..", "@", "[", "]", "a", "this", "true", "1", "includeZero=true",
    "else", "json", "{", "}", "\\{{", "\\\\{{", "*", ">", "{{{{", "@index", "-", "/../", "x", ".5", "else-x", "0",
]  # fmt: skip


_EDGES = re.compile(r"\{\{+~?[#/^&!]?|(?=~?\}\})|(?<=\}\})|\b")


def disturbed(draw: random.Random, text: str) -> str:
    """The same template with a few things out of place: most such texts are none any more."""
    for _ in range(draw.choice([1, 1, 2, 3])):
        edges = [edge.end() for edge in _EDGES.finditer(text)]
        at = draw.choice(edges) if edges and draw.random() < 0.5 else draw.randrange(len(text) + 1)
        match draw.randrange(4):
            case 0:
                text = text[:at] + text[at + 1 :]
            case 1:
                text = text[:at] + draw.choice(_PIECES) + text[at:]
            case 2:
                end = at + draw.randrange(1, 12)
                text = text[:at] + text[at:end] + text[at:end] + text[end:]
            case _:
                other = draw.randrange(len(text) + 1)
                text = text[:at] + text[other : other + draw.randrange(1, 12)] + text[at:]
    return text
