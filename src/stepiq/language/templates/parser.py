"""Parses tags into nodes. Open blocks are on an explicit stack, so nesting does not use Python's stack."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn, assert_never

from stepiq.language.templates import foreign
from stepiq.language.templates.expressions import BLOCKS, FRAMED, MAX_NESTING, TagReader
from stepiq.language.templates.lexer import Piece, Tag, TagKind, TextRun, Token, fail, position
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
from stepiq.language.templates.scopes import NameProblem, Scopes, TemplateScope, split


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
        hint = foreign.BLOCKS.get(name) or (
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
