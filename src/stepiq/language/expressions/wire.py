"""Decodes the output of CEL's parser: protocol buffers of `cel.expr.CheckedExpr`.

Only the parts that this language supports are decoded. The field numbers are those of CEL's `syntax.proto` and
`checked.proto`.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from stepiq.language.expressions.nodes import (
    Constant,
    Fold,
    FoldKind,
    FunctionCall,
    Identifier,
    ListOf,
    MapEntry,
    MapOf,
    Member,
    Node,
)
from stepiq.language.expressions.values import PlaceholderIndex, Uint

_TWO_TO_64 = 2**64
_DOUBLE, _LENGTH = 1, 2
"""Wire types. The only other one in use is 0, an integer."""
_MESSAGE_OF_ANY = 2
_EXPRESSION, _SOURCE_INFO, _POSITIONS = 4, 5, 4


class Foreign(Exception):
    """The expression contains a part of CEL that this language does not support, such as protocol buffers."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def decode(data: bytes, is_in_placeholder: Callable[[int], bool]) -> Node:
    """Decode the result of `serialize()` of a compiled expression.

    Args:
        data: the result.
        is_in_placeholder: whether an offset is inside `{{path}}`.

    Raises:
        Foreign: the expression contains a part that this language does not support.
    """
    parts = _first(_first(data)[_MESSAGE_OF_ANY])
    positions: dict[int, int] = {}
    for number, value in _fields(parts[_SOURCE_INFO]):
        if number == _POSITIONS:
            pair = _first(value)
            positions[pair.get(1, 0)] = pair.get(2, 0)
    return _Decoder(positions, is_in_placeholder).node(parts[_EXPRESSION])


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The field numbers and values of one message."""
    at, end = 0, len(data)
    while at < end:
        key = data[at]  # all field numbers are below 16, so one byte contains number and wire type
        at += 1
        if key & 7 == _DOUBLE:
            yield key >> 3, struct.unpack_from("<d", data, at)[0]
            at += 8
            continue
        value = data[at]
        at += 1
        if value >= 0x80:
            value, at = _varint(data, at - 1)
        if key & 7 == _LENGTH:
            at += value
            yield key >> 3, data[at - value : at]
        else:
            yield key >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] >= 0x80:
        value |= (data[at] & 0x7F) << shift
        at += 1
        shift += 7
    return value | data[at] << shift, at + 1


def _packed(data: bytes) -> Iterator[int]:
    """The numbers of one packed field."""
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _first(data: bytes) -> dict[int, Any]:
    """The fields of a message without repeated fields."""
    return dict(_fields(data))


def _signed(value: int) -> int:
    return value - _TWO_TO_64 if value >= _TWO_TO_64 // 2 else value


def _constant(data: bytes) -> Constant:
    ((number, value),) = _fields(data)
    match number:
        case 1:
            return Constant(None)
        case 2:
            return Constant(bool(value))
        case 3:
            return Constant(_signed(value))
        case 4:
            return Constant(Uint(value))
        case 6:
            return Constant(value.decode())
        case _:  # 5 (a double) and 7 (bytes) are used as they are
            return Constant(value)


class _Decoder:
    """Decodes the messages of one expression, which refer to their offsets by id."""

    def __init__(self, positions: dict[int, int], is_in_placeholder: Callable[[int], bool]) -> None:
        self._positions = positions
        self._is_in_placeholder = is_in_placeholder

    def node(self, data: bytes) -> Node:
        offset, kind, body = 0, 0, b""
        for number, value in _fields(data):
            if number == 2:
                offset = self._positions.get(value, 0)
            else:
                kind, body = number, value
        match kind:
            case 3:
                constant = _constant(body)
                if type(constant.value) is int and self._is_in_placeholder(offset):
                    return Constant(PlaceholderIndex(constant.value))
                return constant
            case 4:
                return Identifier(_first(body)[1].decode(), offset)
            case 5:
                return self._member(body)
            case 6:
                return self._call(body, offset)
            case 7:
                return self._list(body)
            case 8:
                return self._map(body, offset)
            case _:
                return self._fold(_first(body), offset)

    def _member(self, data: bytes) -> Member:
        fields = _first(data)
        return Member(self.node(fields[1]), fields[2].decode(), bool(fields.get(3)))

    def _call(self, data: bytes, offset: int) -> FunctionCall:
        name, arguments = "", list[Node]()
        for number, value in _fields(data):
            if number == 2:
                name = value.decode()
            else:  # 1 is the receiver, 3 an argument, in this order
                arguments.append(self.node(value))
        return FunctionCall(name, tuple(arguments), offset)

    def _list(self, data: bytes) -> ListOf:
        items, optional = list[Node](), set[int]()
        for number, value in _fields(data):
            if number == 1:
                items.append(self.node(value))
            else:
                optional.update(_packed(value))
        return ListOf(tuple(items), frozenset(optional))

    def _map(self, data: bytes, offset: int) -> MapOf:
        entries: list[MapEntry] = []
        for number, value in _fields(data):
            if number == 1:
                raise Foreign(offset)
            fields = _first(value)
            entries.append(
                MapEntry(self.node(fields[3]), self.node(fields[4]), bool(fields.get(5)))
            )
        return MapOf(tuple(entries))

    def _fold(self, fields: dict[int, bytes], offset: int) -> Fold:
        """Reconstruct a macro from a loop: the parser expands each macro into a fixed form."""
        variable, over = fields[1].decode(), self.node(fields[2])
        match self.node(fields[4]), self.node(fields[6]):
            case Constant(value=bool(is_all)), FunctionCall(arguments=(_, test)):
                kind = FoldKind.ALL if is_all else FoldKind.EXISTS
                return Fold(kind, variable, over, test, None)
            case Constant(value=int()), FunctionCall(arguments=(test, _, _)):
                return Fold(FoldKind.EXISTS_ONE, variable, over, test, None)
            case ListOf(), FunctionCall(
                arguments=(test, FunctionCall(arguments=(_, ListOf(items=(body,)))), Identifier())
            ):
                return Fold(FoldKind.MAP, variable, over, test, body)
            case ListOf(), FunctionCall(arguments=(_, ListOf(items=(body,)))):
                return Fold(FoldKind.MAP, variable, over, None, body)
            case _:
                raise Foreign(offset)
