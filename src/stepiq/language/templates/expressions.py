"""Parses the content of one tag: words, texts, numbers and helpers."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

from stepiq.core.json import Json
from stepiq.language.templates.helpers import HELPERS, Helper, tolerates
from stepiq.language.templates.lexer import Tag, Token, fail
from stepiq.language.templates.nodes import ArmKind, Expression, HelperCall, Literal, Path, Secret

MAX_NESTING = 64
"""Deepest nesting of blocks, and of helpers inside helpers."""
_MAX_NUMBER_LENGTH = 40

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_PARAMETER = re.compile(r"[^\s./\[\]@]+")
_CONSTANTS: dict[str, Json] = {"true": True, "false": False, "null": None, "undefined": None}
_OPERATORS = frozenset(
    ("|", "=", "?", "||", "??", "?:", "&&", "or", "and", "eq", "is", "ne", "lt", "lte", "gt", "gte")
)
_NO_OPERATORS = (
    "Templates have no operators and no filters. Write a helper first: `{{default input.topic 'none'}}`, or "
    "`(eq input.topic 'none')` inside a block or a helper."
)
BLOCKS = {kind.value for kind in ArmKind}
_KEEPING_WHOLE = frozenset({"json", "default"})
"""Helpers that return a secret unchanged. The others would reveal something about it, such as its length."""
FRAMED = (ArmKind.EACH, ArmKind.WITH)
"""Blocks whose body reads names from a frame of its own."""


def _is_parameter(text: str) -> bool:
    taken = text in _CONSTANTS or text in HELPERS or text in BLOCKS
    return bool(_PARAMETER.fullmatch(text)) and not taken and not _NUMBER.fullmatch(text)


Resolve = Callable[[Token, bool], Path | Secret]
"""Resolves a word; the second argument says whether the value may be missing."""


class TagReader:
    """Parses the tokens of one tag from left to right."""

    def __init__(self, source: str, tag: Tag, tokens: list[Token], resolve: Resolve) -> None:
        self._source = source
        self._resolve = resolve
        self._tag = tag
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    # -- kinds of tags --

    def output(self) -> Expression:
        """Parse `{{path}}` or `{{helper …}}`, up to the end of the tag."""
        if not self._tokens:
            self._fail(
                self._tag.offset,
                "This tag is empty. Write a name in it, as in `{{input.topic}}`.",
            )
        first = self._tokens[0]
        if first.kind == "(":
            self._fail(first.offset, "Remove the outer parentheses: `{{json input}}`.")
        if first.kind == "word" and len(self._tokens) > 1:
            self._at = 1
            expression = self._call(first, tolerant=False)
        else:
            expression = self._argument(tolerant=False)
            if isinstance(expression, Literal):
                self._fail(
                    first.offset,
                    "This tag contains a literal value. Write it as text, without braces.",
                )
        self._expect_end()
        return expression

    def head(self, kind: ArmKind) -> Expression:
        """Parse the value that a block tests; it may be missing."""
        if self._peek() is None:
            self._fail(
                self._tag.offset,
                f"`#{kind.value}` needs a value: `{{{{#{kind.value} input.name}}}}`.",
            )
        first = self._tokens[self._at]
        if first.kind == "word" and first.text in HELPERS and self._has_argument(1):
            self._fail(
                first.offset,
                f"Put parentheses around a helper inside a tag: `{{{{#{kind.value} ({first.text} …)}}}}`.",
            )
        expression = self._argument(tolerant=True)
        self._refuse_secrets(expression)
        return expression

    def include_zero(self, kind: ArmKind) -> bool:
        """Parse the option `includeZero=true` of `#if` and `#unless`."""
        token = self._peek()
        if token is None or not self._is_option():
            return False
        if kind in FRAMED or token.text != "includeZero":
            self._fail(token.offset, f"`#{kind.value}` has no option `{token.text[:60]}`.")
        value = self._tokens[self._at + 2] if len(self._tokens) > self._at + 2 else None
        if value is None or value.text not in ("true", "false"):
            self._fail(token.offset, "`includeZero` must be `true` or `false`.")
        self._at += 3
        return value.text == "true"

    def parameters(self, kind: ArmKind, *, inverse: bool) -> list[str]:
        """Parse `as |item index|`, up to the end of the tag. `{{^each}}` takes no parameters: its body has no item."""
        names: list[str] = []
        token = self._peek()
        if token is not None and token.text == "as" and self._kind_at(1) == "|":
            if self._tokens[self._at + 1].offset == token.offset + len(token.text):
                self._fail(token.offset, "Write a space before the first `|`: `as |item|`.")
            self._at += 2
            while (token := self._peek()) is not None and token.kind == "word":
                if not _is_parameter(token.text):
                    self._fail(
                        token.offset,
                        f"`{token.text[:60]}` cannot be the name of a block parameter.",
                    )
                names.append(token.text)
                self._at += 1
            if token is None or token.kind != "|":
                self._fail(self._tag.offset, "`as |` has no closing `|`. Write `as |item|`.")
            self._at += 1
            most = 0 if inverse else {ArmKind.EACH: 2, ArmKind.WITH: 1}.get(kind, 0)
            if not 0 < len(names) <= most:
                self._fail(
                    self._tag.offset,
                    f"`{'^' if inverse else '#'}{kind.value}` takes {['no', 'one', 'one or two'][most]} block parameter{'s' * (most != 1)}.",
                )
        self._expect_end()
        return names

    # -- expressions --

    def _argument(self, *, tolerant: bool) -> Expression:
        token = self._next()
        if token.kind == "string":
            quote = token.text[0]
            return Literal(token.text[1:-1].replace("\\" + quote, quote))
        if token.kind == "(":
            return self._parenthesis(token, tolerant=tolerant)
        if token.kind != "word":
            self._fail(token.offset, self._misplaced(token))
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if _NUMBER.fullmatch(token.text):
            return Literal(self._number(token))
        if token.text in HELPERS or token.text in BLOCKS:
            self._fail(token.offset, self._bare_helper(token.text))
        return self._resolve(token, tolerant)

    def _parenthesis(self, opening: Token, *, tolerant: bool) -> Expression:
        if self._depth == MAX_NESTING:
            self._fail(opening.offset, f"Helpers exceed the maximum depth of {MAX_NESTING} levels.")
        self._depth += 1
        helper = self._next()
        if helper.kind != "word":
            self._fail(helper.offset, "Parentheses must start with a helper, as in `(eq a b)`.")
        call = self._call(helper, tolerant=tolerant)
        closing = self._peek()
        if closing is None or closing.kind != ")":
            self._fail(opening.offset, "`(` has no closing `)`. Write it after the values.")
        self._at += 1
        self._depth -= 1
        return call

    def _call(self, token: Token, *, tolerant: bool) -> HelperCall:
        helper = HELPERS.get(token.text)
        if helper is None:
            self._fail_unknown_helper(token)
        starts: list[int] = []
        probe = self._at
        while self._starts_argument(probe):
            starts.append(probe)
            probe = self._skip(probe)
        self._check_count(token, helper, len(starts))
        arguments = tuple(
            self._argument(
                tolerant=tolerates(
                    helper.tolerance, is_last=index == len(starts) - 1, around=tolerant
                )
            )
            for index in range(len(starts))
        )
        if token.text not in _KEEPING_WHOLE:
            for argument in arguments:
                self._refuse_secrets(argument)
        return HelperCall(token.text, arguments, token.offset)

    def _refuse_secrets(self, expression: Expression) -> None:
        """Refuse a value that depends on a secret where the template would reveal something about it."""
        if isinstance(expression, Secret):
            self._fail(
                expression.offset,
                f"A secret can only be inserted, as in `{{{{env.{expression.name}}}}}`. It cannot be compared, measured or used "
                "in a block.",
            )
        if isinstance(expression, HelperCall) and expression.helper in _KEEPING_WHOLE:
            for argument in expression.arguments:
                self._refuse_secrets(argument)

    def _starts_argument(self, at: int) -> bool:
        if at >= len(self._tokens) or self._tokens[at].kind in (")", "|", "="):
            return False
        if at + 1 < len(self._tokens) and self._tokens[at + 1].kind == "=":
            self._fail(
                self._tokens[at].offset,
                f"`{self._tokens[at].text[:60]}=` is not an option of this helper. Templates have no "
                "assignments and no operators; compare with `(eq a b)`.",
            )
        return True

    def _skip(self, at: int) -> int:
        """The index after the argument that starts at `at`."""
        depth = 0
        while at < len(self._tokens):
            kind = self._tokens[at].kind
            depth += (kind == "(") - (kind == ")")
            at += 1
            if depth <= 0:
                break
        return at

    def _check_count(self, token: Token, helper: Helper, count: int) -> None:
        if helper.minimum <= count <= helper.maximum:
            return
        few = count < helper.minimum
        self._fail(
            token.offset,
            f"`{token.text}` has too {'few' if few else 'many'} values. Write it as `{helper.usage}`.",
        )

    def _number(self, token: Token) -> int | float:
        if len(token.text) > _MAX_NUMBER_LENGTH:
            self._fail(token.offset, f"A number can have at most {_MAX_NUMBER_LENGTH} characters.")
        return float(token.text) if "." in token.text else int(token.text)

    # -- tokens --

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _kind_at(self, ahead: int) -> str | None:
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else None

    def _has_argument(self, ahead: int) -> bool:
        following = self._kind_at(ahead)
        is_parameters = (
            following == "word"
            and self._tokens[self._at + ahead].text == "as"
            and self._kind_at(ahead + 1) == "|"
        )
        return following in ("word", "string", "(") and not is_parameters

    def _is_option(self) -> bool:
        return self._kind_at(0) == "word" and self._kind_at(1) == "="

    def _next(self) -> Token:
        token = self._peek()
        if token is None:
            self._fail(self._tag.offset, "A value is missing at the end of this tag.")
        self._at += 1
        return token

    def _expect_end(self) -> None:
        token = self._peek()
        if token is not None:
            self._fail(token.offset, self._misplaced(token))

    # -- messages --

    def _fail(self, offset: int, message: str) -> NoReturn:
        fail(self._source, offset, message)

    def _misplaced(self, token: Token) -> str:
        if token.text in _OPERATORS:
            return _NO_OPERATORS
        if token.text == "as" and (name := self._after(token)):
            return f"Write the name between bars: `as |{name[:60]}|`."
        return f"`{token.text[:60]}` is an extra word in this tag. Remove it."

    def _after(self, token: Token) -> str:
        """The text that follows a token; empty at the end of the tag."""
        at = self._tokens.index(token) + 1
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _bare_helper(self, name: str) -> str:
        if name in BLOCKS:
            return f"`{name}` is a block: `{{{{#{name} value}}}}…{{{{/{name}}}}}`."
        return f"`{name}` is a helper and needs a value: `{HELPERS[name].usage}`. For a field with this name, write `this.{name}`."

    def _fail_unknown_helper(self, token: Token) -> NoReturn:
        if token.text in BLOCKS:
            self._fail(token.offset, self._bare_helper(token.text))
        following = self._peek()
        if following is not None and following.text in _OPERATORS:
            self._fail(following.offset, _NO_OPERATORS)
        near = get_close_matches(token.text[:60], HELPERS, 1)
        hint = f"Did you mean `{near[0]}`?" if near else f"The helpers are {', '.join(HELPERS)}."
        self._fail(token.offset, f"`{token.text[:60]}` is not a helper. {hint}")
