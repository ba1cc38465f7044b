"""Compiles nodes into functions. Everything known before evaluation, such as names, is resolved here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stepiq.core.json import Json
from stepiq.language.expressions.absence import fail_absent, fail_root, may_have
from stepiq.language.expressions.functions import FUNCTIONS, Function, expect_optional
from stepiq.language.expressions.logic import FOLDS, Frame, Run, decide, expect_bool
from stepiq.language.expressions.nodes import (
    INDEX,
    OPTIONAL_INDEX,
    OPTIONAL_MEMBER,
    Constant,
    Fold,
    FunctionCall,
    Identifier,
    ListOf,
    MapOf,
    Member,
    Node,
    Part,
    literal_key,
    path_of,
    weigh,
    write_path,
)
from stepiq.language.expressions.values import (
    MISSING,
    NONE,
    TYPES,
    EvaluationFailure,
    EvaluationMeter,
    Map,
    Optional,
    Value,
    enter,
    is_list,
    is_map,
    items_of,
    key_of,
    kind_of,
    lookup,
)


class Program:
    """A compiled expression."""

    __slots__ = ("_depth", "_run")

    def __init__(self, node: Node) -> None:
        builder = _Builder()
        self._run = builder.build(node, {})
        self._depth = builder.depth

    def run(self, context: Mapping[str, Json], meter: EvaluationMeter) -> Value:
        """The value of the expression.

        Raises:
            Failure: the expression has no value.
            Exhausted: the work limit is reached.
        """
        return self._run(Frame(context, meter, self._depth))


class UnknownFunction(Exception):
    """CEL accepts a function that this language does not support."""

    def __init__(self, call: FunctionCall) -> None:
        super().__init__(call.function)
        self.call = call


class _Builder:
    """Builds the functions for a tree of nodes. A scope maps each name that a macro binds to its slot."""

    def __init__(self) -> None:
        self.depth = 0
        self._special: dict[str, Callable[[FunctionCall, Mapping[str, int]], Run]] = {
            "_&&_": self._and,
            "_||_": self._or,
            "_?_:_": self._choice,
            "!_": self._not,
            INDEX: self._index,
            OPTIONAL_MEMBER: self._optional,
            OPTIONAL_INDEX: self._optional,
            "or": self._fallback,
            "orValue": self._fallback,
        }

    def build(self, node: Node, scope: Mapping[str, int]) -> Run:
        match node:
            case Identifier():
                return self._path(node, (), scope)
            case Constant():
                value = node.value
                return lambda frame: value
            case Member() | FunctionCall() if (path := path_of(node)) is not None:
                return self._path(*path, scope)
            case Member():
                return self._member(node, scope)
            case FunctionCall():
                return self._call(node, scope)
            case ListOf():
                return self._list(node, scope)
            case MapOf():
                return self._map(node, scope)
            case _:
                return self._fold(node, scope)

    def _all(self, nodes: Sequence[Node], scope: Mapping[str, int]) -> list[Run]:
        return [self.build(node, scope) for node in nodes]

    # -- reading --

    def _path(self, name: Identifier, parts: tuple[Part, ...], scope: Mapping[str, int]) -> Run:
        root = name.text
        if root in scope:
            slot = scope[root]
            return _following(lambda frame: frame.variables[slot], root, parts)
        if root in TYPES:
            kind = TYPES[root]
            return _following(lambda frame: kind, root, parts)
        root = "vars" if root == "variables" else root

        def read(frame: Frame) -> Value:
            if root not in frame.context:
                fail_root(root)
            return enter(frame.context[root])

        return _following(read, root, parts)

    def _member(self, node: Member, scope: Mapping[str, int]) -> Run:
        operand = self.build(node.operand, scope)
        text, name = _text(node.operand), node.name
        if not node.is_test:
            return _following(operand, text, (name,))

        def test(frame: Frame) -> bool:
            value = operand(frame)
            if type(value) is Optional:
                value = value.value
            if value is None or value is MISSING:
                return False
            if not is_map(value):
                fail_absent(text, value, name)
            return lookup(value, name) is not MISSING

        return test

    def _index(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        container, key = self._all(node.arguments, scope)
        text, written = _text(node.arguments[0]), literal_key(node.arguments[1])

        def read(frame: Frame) -> Value:
            value, found_key = container(frame), key(frame)
            found = _step(value, found_key)
            if found is MISSING:
                fail_absent(text, value, found_key, is_computed=written is None)
            return found

        return read

    def _optional(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        """`a.?b` and `a[?b]`; an empty optional if `a` is null."""
        container, key = self._all(node.arguments, scope)
        text, is_computed = _text(node.arguments[0]), literal_key(node.arguments[1]) is None

        def read(frame: Frame) -> Optional:
            value, found_key = container(frame), key(frame)
            if type(value) is Optional:
                value = value.value
            if value is None or value is MISSING:
                return NONE
            found = lookup(value, found_key)
            if found is MISSING and not may_have(value, found_key):
                fail_absent(text, value, found_key, is_computed=is_computed)
            return NONE if found is MISSING else Optional(found)

        return read

    # -- functions --

    def _call(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        special = self._special.get(node.function)
        if special is not None:
            return special(node, scope)
        function = FUNCTIONS.get(node.function)
        if function is None:
            raise UnknownFunction(node)
        match self._all(node.arguments, scope):
            case [one]:
                return lambda frame: function(frame.meter, one(frame))
            case [one, two]:
                return _applying(function, one, two, node.arguments[1])
            case _:  # `optional.none()`; no function has more
                return lambda frame: function(frame.meter)

    def _and(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        left, right = self._all(node.arguments, scope)
        return lambda frame: decide("&&", False, left, right, frame)

    def _or(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        left, right = self._all(node.arguments, scope)
        return lambda frame: decide("||", True, left, right, frame)

    def _not(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        (operand,) = self._all(node.arguments, scope)
        return lambda frame: not expect_bool("!", operand(frame))

    def _choice(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        test, then, other = self._all(node.arguments, scope)

        def choose(frame: Frame) -> Value:
            return then(frame) if expect_bool("? :", test(frame)) else other(frame)

        return choose

    def _fallback(self, node: FunctionCall, scope: Mapping[str, int]) -> Run:
        name = node.function
        operand, other = self._all(node.arguments, scope)

        def read(frame: Frame) -> Value:
            found = expect_optional(name, operand(frame))
            if found is not NONE and found.value is not MISSING:
                return found if name == "or" else found.value
            fallback = other(frame)
            return expect_optional(name, fallback) if name == "or" else fallback

        return read

    # -- construction --

    def _list(self, node: ListOf, scope: Mapping[str, int]) -> Run:
        items = self._all(node.items, scope)
        optional = node.optional
        if not optional:
            return lambda frame: tuple([item(frame) for item in items])

        def make(frame: Frame) -> Value:
            values: list[Value] = []
            for index, item in enumerate(items):
                value = item(frame)
                if index not in optional:
                    values.append(value)
                elif expect_optional("?", value).value is not MISSING:
                    values.append(value.value)
            return tuple(values)

        return make

    def _map(self, node: MapOf, scope: Mapping[str, int]) -> Run:
        entries = [
            (self.build(entry.key, scope), self.build(entry.value, scope), entry.is_optional)
            for entry in node.entries
        ]

        def make(frame: Frame) -> Map:
            made = Map()
            for get_key, get_value, is_optional in entries:
                key, value = _new_key(made, get_key(frame)), get_value(frame)
                if is_optional:
                    value = expect_optional("?", value).value
                if value is not MISSING:
                    made[key] = value
            return made

        return make

    # -- macros --

    def _fold(self, node: Fold, scope: Mapping[str, int]) -> Run:
        over = self.build(node.over, scope)
        # Not the number of names: a variable may shadow another one of the same name.
        slot = max(scope.values(), default=-1) + 1
        inner = {**scope, node.variable: slot}
        self.depth = max(self.depth, slot + 1)
        test = None if node.test is None else self.build(node.test, inner)
        body = None if node.body is None else self.build(node.body, inner)
        fold = FOLDS[node.kind](node.kind.value, test, body)
        cost = 1 + weigh(node.test) + weigh(node.body)
        name = node.kind.value

        def run(frame: Frame) -> Value:
            value = over(frame)
            if not is_list(value) and not is_map(value):
                raise EvaluationFailure(
                    f"`{name}` needs a list or an object, but got {kind_of(value)}."
                )
            return fold(frame, items_of(value), slot, cost)

        return run


# -- the functions --


def _following(start: Run, root: str | None, parts: tuple[Part, ...]) -> Run:
    if not parts:
        return start

    def read(frame: Frame) -> Value:
        value = start(frame)
        for depth, part in enumerate(parts):
            # Fast path: most segments are keys of JSON objects.
            if type(value) is dict and part in value:
                value = enter(value[part])
                continue
            found = _step(value, part)
            if found is MISSING:
                fail_absent(None if root is None else write_path(root, parts[:depth]), value, part)
            value = found
        return value

    return read


def _applying(function: Function, one: Run, two: Run, second: Node) -> Run:
    if isinstance(second, Constant):
        value = second.value
        return lambda frame: function(frame.meter, one(frame), value)
    return lambda frame: function(frame.meter, one(frame), two(frame))


def _step(value: Value, key: Value) -> Value:
    if type(value) is not Optional:
        return lookup(value, key)
    if value.value is MISSING:
        return NONE
    found = lookup(value.value, key)
    if found is not MISSING:
        return Optional(found)
    return NONE if may_have(value.value, key) else MISSING


def _new_key(made: Map, value: Value) -> Any:
    key = key_of(value)
    if key is MISSING or type(value) is float:
        raise EvaluationFailure(
            f"the keys of an object must be strings, but one is {kind_of(value)}."
        )
    if key in made:
        raise EvaluationFailure("an object has the same key twice.")
    return key


def _text(node: Node) -> str | None:
    path = path_of(node)
    return None if path is None else write_path(path[0].text, path[1])
