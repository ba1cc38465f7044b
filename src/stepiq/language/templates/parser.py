"""Parses tags into nodes. Open blocks are on an explicit stack, so nesting does not use Python's stack."""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn, assert_never

from stepiq.language.templates.expressions import BLOCKS, FRAMED, MAX_NESTING, TagReader
from stepiq.language.templates.lexer import (
    LITERAL_SEGMENT,
    Piece,
    Tag,
    TagKind,
    TextRun,
    Token,
    fail,
    position,
)
from stepiq.language.templates.nodes import (
    Arm,
    ArmKind,
    Block,
    Expression,
    FrameValue,
    Node,
    Output,
    Path,
    Reference,
    Secret,
    Text,
)

_SEGMENT = re.compile(
    rf"(?P<literal>{LITERAL_SEGMENT})|(?P<up>\.\.)|(?P<here>\.(?=/|\Z))|(?P<name>[^./\[\]]++)",
    re.DOTALL,
)
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
            raise NameProblem(
                "Write names and indexes with dots: `input.list.0`, `input.[two words]`."
            )
        if text[at] not in "./" or text.startswith("..", at):
            raise NameProblem(
                f"The name `{_shorten(text)}` cannot be read. Write it as in `input.topic` or `input.[two words]`."
            )
        # A separator at the end leaves an empty part, which the next iteration refuses.
        at += 1


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


@dataclass(slots=True)
class _OpenArm:
    kind: ArmKind
    head: Expression
    include_zero: bool
    body: list[Node] = field(default_factory=list[Node])


@dataclass(slots=True)
class _OpenBlock:
    tag: Tag
    arms: list[_OpenArm]
    otherwise: list[Node] | None = None
    scoped: bool = False
    """Whether the current arm has pushed a scope."""

    @property
    def name(self) -> str:
        return self.arms[0].kind.value


class Parser:
    """Parses one template and collects its references."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._root: list[Node] = []
        self._open: list[_OpenBlock] = []
        self._scopes = Scopes()
        self.references: list[Reference] = []
        self.secrets: dict[str, int] = {}

    def parse(self, pieces: list[Piece]) -> tuple[Node, ...]:
        for piece in pieces:
            if isinstance(piece, TextRun):
                if piece.value:
                    self._body.append(Text(piece.value, len(piece.value.encode())))
            else:
                self._read_tag(piece)
        if self._open:
            block = self._open[-1]
            self._fail(
                block.tag.offset,
                f"`#{block.name}` is not closed. Write `{{{{/{block.name}}}}}` at its end.",
            )
        return tuple(self._root)

    @property
    def _body(self) -> list[Node]:
        if not self._open:
            return self._root
        block = self._open[-1]
        return block.arms[-1].body if block.otherwise is None else block.otherwise

    def _read_tag(self, tag: Tag) -> None:
        match tag.kind:
            case TagKind.COMMENT:
                pass
            case TagKind.OUTPUT:
                self._body.append(Output(self._reader(tag, tag.tokens).output()))
            case TagKind.OPEN | TagKind.OPEN_INVERSE:
                self._open_block(tag)
            case TagKind.ELSE:
                self._read_else(tag)
            case TagKind.CLOSE:
                self._close_block(tag)
            case _:
                assert_never(tag.kind)

    def _open_block(self, tag: Tag) -> None:
        if len(self._open) == MAX_NESTING:
            self._fail(tag.offset, f"Blocks exceed the maximum depth of {MAX_NESTING} levels.")
        inverse = tag.kind is TagKind.OPEN_INVERSE
        arm, scope = self._read_arm(tag, tag.tokens, inverse=inverse)
        self._open.append(_OpenBlock(tag, [arm]))
        if inverse:
            # `{{^if x}}` starts with the inverse body.
            self._open[-1].otherwise = []
        else:
            self._enter(scope)

    def _enter(self, scope: TemplateScope | None) -> None:
        self._open[-1].scoped = scope is not None
        if scope is not None:
            self._scopes.push(scope)

    def _leave(self) -> None:
        if self._open[-1].scoped:
            self._scopes.pop()
            self._open[-1].scoped = False

    def _read_arm(
        self, tag: Tag, tokens: list[Token], *, inverse: bool = False
    ) -> tuple[_OpenArm, TemplateScope | None]:
        if not tokens or tokens[0].text not in BLOCKS:
            self._fail_block(tag, tokens)
        kind = ArmKind(tokens[0].text)
        reader = self._reader(tag, tokens[1:])
        head = reader.head(kind)
        include_zero = reader.include_zero(kind)
        parameters = reader.parameters(kind, inverse=inverse)
        scope = self._scope(kind, head, parameters) if kind in FRAMED else None
        return _OpenArm(kind, head, include_zero), scope

    def _scope(self, kind: ArmKind, head: Expression, parameters: list[str]) -> TemplateScope:
        if kind is ArmKind.EACH:
            values = (FrameValue.CONTEXT, FrameValue.KEY)
            # If both parameters have the same name, the first one is used.
            named = list(zip(parameters, values, strict=False))[::-1]
            return TemplateScope(None, is_loop=True, parameters=dict(named))
        binding = self._scopes.binding_of(head) if isinstance(head, Path) else None
        return TemplateScope(binding, parameters=dict.fromkeys(parameters, FrameValue.CONTEXT))

    def _read_else(self, tag: Tag) -> None:
        if not self._open:
            self._fail(tag.offset, "`else` is outside a block. Write it inside `{{#if …}}`.")
        block = self._open[-1]
        if block.otherwise is not None:
            self._fail(
                tag.offset, f"This `#{block.name}` already has an `else`. Remove one of the two."
            )
        self._leave()
        if len(tag.tokens) < 2:
            block.otherwise = []
            return
        arm, scope = self._read_arm(tag, tag.tokens[1:])
        block.arms.append(arm)
        self._enter(scope)

    def _close_block(self, tag: Tag) -> None:
        written = tag.tokens[0].text if len(tag.tokens) == 1 else ""
        if not self._open:
            self._fail(
                tag.offset, f"`{{{{/{written}}}}}` closes a block that is not open. Remove it."
            )
        block = self._open[-1]
        if written != block.name:
            line, _ = position(self._source, block.tag.offset)
            self._fail(
                tag.offset,
                f"`{{{{/{written}}}}}` does not close the block of line {line}. Write `{{{{/{block.name}}}}}`.",
            )
        self._leave()
        self._open.pop()
        arms = tuple(Arm(a.kind, a.head, a.include_zero, tuple(a.body)) for a in block.arms)
        self._body.append(Block(arms, tuple(block.otherwise or ())))

    def _fail_block(self, tag: Tag, tokens: list[Token]) -> NoReturn:
        name = tokens[0].text if tokens else ""
        near = get_close_matches(name, BLOCKS, 1)
        hint = (
            f"Did you mean `#{near[0]}`?"
            if near
            else "The blocks are `#if`, `#unless`, `#each` and `#with`."
        )
        self._fail(tag.offset, f"`{name[:60]}` is not a block. {hint}")

    def _reader(self, tag: Tag, tokens: list[Token]) -> TagReader:
        return TagReader(self._source, tag, tokens, self._resolve)

    def _resolve(self, token: Token, optional: bool) -> Path | Secret:
        try:
            found = self._scopes.resolve(split(token.text), token.offset)
        except NameProblem as problem:
            self._fail(token.offset, str(problem))
        if isinstance(found, Secret):
            self.secrets.setdefault(found.name, found.offset)
        elif (binding := self._scopes.binding_of(found)) is not None:
            self.references.append(Reference(binding, optional, token.offset))
        return found

    def _fail(self, offset: int, message: str) -> NoReturn:
        fail(self._source, offset, message)
