"""Resolves names to frames while parsing, since `../` and block parameters depend only on nesting."""

import re
from dataclasses import dataclass, field

from stepiq.language.templates.lexer import LITERAL_SEGMENT
from stepiq.language.templates.nodes import FrameValue, Path, Secret

_SEGMENT = re.compile(
    rf"(?P<literal>{LITERAL_SEGMENT})|(?P<up>\.\.)|(?P<here>\.(?=/|\Z))|(?P<name>[^./\[\]]++)",
    re.DOTALL,
)
_QUOTED_SEGMENT = re.compile(r"\.?\[(['\"])([^\]'\"]*)\1\]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPE = re.compile(r"\\([\\\]])")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_LOOP_VALUES = {
    value.value: value
    for value in (FrameValue.INDEX, FrameValue.KEY, FrameValue.FIRST, FrameValue.LAST)
}

Binding = tuple[str, ...] | None
"""The path from the context to a frame's value; None if it is known only while rendering."""


@dataclass(frozen=True, slots=True)
class TemplateScope:
    """The scope that `#each` or `#with` adds for its body."""

    binding: Binding
    is_loop: bool = False
    parameters: dict[str, FrameValue] = field(default_factory=dict[str, FrameValue])


@dataclass(frozen=True, slots=True)
class TagName:
    """A word of a tag, split into segments."""

    text: str
    is_data: bool
    """Whether it starts with `@`."""
    ups: int
    is_explicit: bool
    """Whether it starts with `this`, `./` or `../`, so that it cannot be a block parameter or a helper."""
    parts: tuple[str, ...]


class NameProblem(Exception):
    """An invalid name; the parser adds its place."""


def split(text: str) -> TagName:
    """Split a word into its segments."""
    is_data = text.startswith("@")
    ups, is_explicit, parts = 0, False, list[str]()
    at = 1 if is_data else 0
    while True:
        segment = _SEGMENT.match(text, at)
        if segment is None:
            raise NameProblem(
                f"The name `{_shorten(text)}` has an empty or invalid part. Write it as in `input.topic`."
            )
        if segment["literal"] is not None:
            # Unescaped with its brackets, since the closing one may have a backslash.
            parts.append(_ESCAPE.sub(r"\1", segment["literal"])[1:-1])
        elif segment["name"] not in (None, "this"):
            parts.append(segment["name"])
        elif parts:
            raise NameProblem(
                f"`{segment.group()}` must be at the start of a name, not inside `{_shorten(text)}`."
            )
        else:
            is_explicit = True
            ups += segment["up"] is not None
        at = segment.end()
        if at == len(text):
            return TagName(text, is_data, ups, is_explicit, tuple(parts))
        if text[at] == "[":
            raise NameProblem(_bracket_problem(text, at))
        if text[at] not in "./" or text.startswith("..", at):
            raise NameProblem(
                f"The name `{_shorten(text)}` cannot be read. Write it as in `input.topic` or `input.[two words]`."
            )
        # A separator at the end leaves an empty part, which the next iteration refuses.
        at += 1


def _bracket_problem(text: str, at: int) -> str:
    """The message about a bracket that follows a name without a dot."""
    if text.startswith("$node"):
        return "The name `$node` does not exist. Write the output of a step as `steps.ID.output`."
    rest = _QUOTED_SEGMENT.sub(_without_quotes, text[at:])
    rest = rest if rest.startswith(".") else f".{rest}"
    return f"Write names and indexes with dots: `{_shorten(text[:at] + rest)}`."


def _without_quotes(found: re.Match[str]) -> str:
    name = found[2]
    return f".{name}" if _PLAIN.fullmatch(name) else f".[{name}]"


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


class Scopes:
    """The open scopes at one place of the template. The outermost is the whole context."""

    def __init__(self) -> None:
        self._scopes: list[TemplateScope] = [TemplateScope(())]

    def push(self, scope: TemplateScope) -> None:
        self._scopes.append(scope)

    def pop(self) -> None:
        self._scopes.pop()

    def resolve(self, name: TagName, offset: int) -> Path | Secret:
        """Resolve a name.

        Raises:
            NameProblem: the name refers to a scope that does not exist, or to secrets as a whole.
        """
        frame, value, parts = self._locate(name)
        if value is FrameValue.CONTEXT and (binding := self._scopes[frame].binding) is not None:
            full = (*binding, *parts)
            if full[:1] == ("env",):
                return Secret(_secret_name(name, full), offset)
            if full[:1] == ("variables",):
                parts = ("vars", *parts[1:])
        return Path(frame, value, parts, name.text, offset)

    def binding_of(self, path: Path) -> Binding:
        """The path of the value in the context, if it is known before rendering."""
        binding = self._scopes[path.frame].binding
        if path.value is not FrameValue.CONTEXT or binding is None:
            return None
        return (*binding, *path.parts)

    def _locate(self, name: TagName) -> tuple[int, FrameValue, tuple[str, ...]]:
        if name.is_data:
            return self._locate_data(name)
        if not name.is_explicit:
            for frame in range(len(self._scopes) - 1, 0, -1):
                if (value := self._scopes[frame].parameters.get(name.parts[0])) is not None:
                    return frame, value, name.parts[1:]
        frame = len(self._scopes) - 1 - name.ups
        if frame < 0:
            raise NameProblem(
                f"`{_shorten(name.text)}` has more `../` than there are `#each` and `#with` blocks around it."
            )
        return frame, FrameValue.CONTEXT, name.parts

    def _locate_data(self, name: TagName) -> tuple[int, FrameValue, tuple[str, ...]]:
        head = name.parts[0] if name.parts else ""
        if head == "root" and not name.ups:
            return 0, FrameValue.CONTEXT, name.parts[1:]
        value = _LOOP_VALUES.get(head)
        if value is None:
            raise NameProblem(
                f"`{_shorten(name.text)}` does not exist. Use `@index`, `@key`, `@first`, `@last` or `@root`."
            )
        loops = [frame for frame, scope in enumerate(self._scopes) if scope.is_loop]
        if name.ups >= len(loops):
            raise NameProblem(f"`{_shorten(name.text)}` exists only inside `#each`.")
        return loops[-1 - name.ups], value, name.parts[1:]


def _secret_name(name: TagName, full: tuple[str, ...]) -> str:
    if len(full) != 2:
        raise NameProblem(f"`{_shorten(name.text)}` is not a secret. Write `env.NAME`.")
    if not _SECRET_NAME.fullmatch(full[1]):
        raise NameProblem(
            f"`{_shorten(name.text)}` is not a valid secret. The name of a secret has up to 100 letters, digits and `_`, and "
            "does not start with a digit."
        )
    return full[1]
