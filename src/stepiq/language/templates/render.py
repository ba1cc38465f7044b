"""Renders nodes with plain data. It reads keys and indexes, and calls only the helpers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object, kind_of
from stepiq.language.templates.errors import SecretMissing, TemplateUnresolved
from stepiq.language.templates.helpers import HELPERS, tolerates
from stepiq.language.templates.lexer import position
from stepiq.language.templates.meter import RenderMeter
from stepiq.language.templates.nodes import (
    Arm,
    ArmKind,
    Block,
    Expression,
    FrameValue,
    HelperCall,
    Literal,
    Node,
    Output,
    Path,
    Secret,
    Text,
)
from stepiq.language.templates.values import MISSING, Found, member, present, to_text, truthy

_PARTS_PER_OPERATION = 4
_Frame = dict[FrameValue, Found]
_ROOT_NAMES = frozenset({"input", "vars", "variables", "steps", "env", "run"})


class Renderer:
    """One rendering of one template."""

    def __init__(self, source: str, context: Mapping[str, Json], meter: RenderMeter) -> None:
        # Secrets are separate from the data, so that no path or loop over the data can reach them.
        secrets = context.get("env")
        self._secrets: Mapping[str, Json] = secrets if is_object(secrets) else {}
        data = {key: value for key, value in context.items() if key != "env"}
        self._frames: list[_Frame] = [{FrameValue.CONTEXT: data}]
        self._source = source
        self._meter = meter
        self._output: list[str] = []

    def render(self, nodes: Sequence[Node]) -> str:
        self._write_all(nodes)
        return "".join(self._output)

    def _write_all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._meter.spend()
            match node:
                case Text():
                    self._meter.write(node.size)
                    self._output.append(node.value)
                case Output():
                    text = to_text(present(self._evaluate(node.expression)), self._meter)
                    self._meter.write(len(text) if text.isascii() else len(text.encode()))
                    self._output.append(text)
                case Block():
                    self._write_block(node)
                case _:
                    assert_never(node)

    def _write_block(self, block: Block) -> None:
        for arm in block.arms:
            self._meter.spend()
            if self._write_arm(arm):
                return
        self._write_all(block.otherwise)

    def _write_arm(self, arm: Arm) -> bool:
        head = self._evaluate(arm.head, tolerant=True)
        match arm.kind:
            case ArmKind.IF | ArmKind.UNLESS:
                holds = truthy(head, include_zero=arm.include_zero)
                if holds is (arm.kind is ArmKind.IF):
                    self._write_all(arm.body)
                    return True
                return False
            case ArmKind.WITH:
                if not truthy(head, include_zero=True):
                    return False
                self._write_framed(arm, {FrameValue.CONTEXT: head})
                return True
            case ArmKind.EACH:
                return self._write_items(arm, head)
            case _:
                assert_never(arm.kind)

    def _write_items(self, arm: Arm, head: Found) -> bool:
        count, pairs = self._items(arm, head)
        for index, (key, value) in enumerate(pairs):
            self._meter.spend()
            frame: _Frame = {
                FrameValue.CONTEXT: value,
                FrameValue.INDEX: index,
                FrameValue.KEY: key,
                FrameValue.FIRST: index == 0,
                FrameValue.LAST: index == count - 1,
            }
            self._write_framed(arm, frame)
        return count > 0

    def _items(self, arm: Arm, head: Found) -> tuple[int, Iterable[tuple[Json, Json]]]:
        if head is None or head is MISSING:
            return 0, ()
        if is_array(head):
            self._meter.spend(len(head))
            return len(head), enumerate(head)
        if is_object(head):
            self._meter.spend(len(head))
            return len(head), head.items()
        written = arm.head.text if isinstance(arm.head, Path) else "its value"
        raise TemplateUnresolved(
            f"`#each` needs a list or an object; `{written}` is {kind_of(head)}."
        )

    def _write_framed(self, arm: Arm, frame: _Frame) -> None:
        self._frames.append(frame)
        self._write_all(arm.body)
        self._frames.pop()

    def _evaluate(self, expression: Expression, *, tolerant: bool = False) -> Found:
        """The value of an expression; `MISSING` only if `tolerant`."""
        self._meter.spend()
        match expression:
            case Literal():
                return expression.value
            case Path():
                return self._read(expression, tolerant)
            case Secret():
                return self._read_secret(expression, tolerant)
            case HelperCall():
                return self._call(expression, tolerant)
            case _:
                assert_never(expression)

    def _read(self, path: Path, tolerant: bool) -> Found:
        value = self._frames[path.frame][path.value]
        self._meter.spend(len(path.parts) // _PARTS_PER_OPERATION)
        for depth, part in enumerate(path.parts):
            found = member(value, part)
            if found is MISSING:
                if tolerant:
                    return MISSING
                self._fail_unresolved(path, depth, value)
            value = found
        return value

    def _fail_unresolved(self, path: Path, depth: int, value: Found) -> None:
        part = path.parts[depth]
        line, column = position(self._source, path.offset)
        holder = ".".join(path.parts[:depth]) or path.value
        if is_object(value) or is_array(value):
            kind = "item" if is_array(value) and part.isdecimal() else "field"
            reason = f"`{holder}` has no {kind} `{part}`"
        else:
            reason = f"`{holder}` is {kind_of(value)}, so it has no fields"
        hint = f'Correct the name, or write a fallback: `{{{{default {path.text} "…"}}}}`.'
        if path.frame and depth == 0 and part in _ROOT_NAMES:
            hint = f"Inside `#each` and `#with`, a name is a field of the item. Write `@root.{path.text}`."
        raise TemplateUnresolved(
            f"`{{{{{path.text}}}}}` (line {line}, column {column} of the template) cannot be resolved: {reason}. {hint}"
        )

    def _read_secret(self, secret: Secret, tolerant: bool) -> Found:
        value = self._secrets.get(secret.name)
        if value is not None:
            return value
        if tolerant:
            return MISSING
        raise SecretMissing(
            f"The secret `{secret.name}` does not exist. Store it for the workspace or for the pipeline."
        )

    def _call(self, call: HelperCall, tolerant: bool) -> Found:
        helper = HELPERS[call.helper]
        last = len(call.arguments) - 1
        values: list[Found] = []
        for index, argument in enumerate(call.arguments):
            values.append(
                self._evaluate(
                    argument,
                    tolerant=tolerates(helper.tolerance, is_last=index == last, around=tolerant),
                )
            )
        result = helper.apply(values, self._meter)
        if result is MISSING and not tolerant:
            line, column = position(self._source, call.offset)
            raise TemplateUnresolved(
                f"`{call.helper}` (line {line}, column {column} of the template) found nothing. "
                "Write a fallback: `{{default (…) …}}`."
            )
        return result
