"""The declarations for CEL's type checker: CEL's own, and operators on mixed types of numbers.

CEL refuses `1 + 1.5`, and types `input.price * 1.19` as an operation on doubles, although a JSON number without a
fraction is an integer. The operators are declared here for every pair of number types, as `operators` evaluates them.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING

from stepiq.core.json import Json, dumps
from stepiq.language.expressions.nodes import ROOTS

if TYPE_CHECKING:
    from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]

_NUMBERS = ("int", "uint", "double")
MIXED = tuple(permutations(_NUMBERS, 2))
"""The pairs of different number types."""
_TIMES = ("timestamp", "duration")
_Overload = tuple[str, str]
"""Argument types and result type, in the library's notation: `list<~A>` is a list of any one type."""


def _arithmetic() -> Iterator[_Overload]:
    yield from ((f"{kind},{kind}", kind) for kind in _NUMBERS)
    yield from ((f"{one},{other}", "double") for one, other in MIXED)


def _addition() -> Iterator[_Overload]:
    yield from _arithmetic()
    yield from ((f"{kind},{kind}", kind) for kind in ("string", "bytes", "duration", "list<~A>"))
    yield from ((f"{one},{other}", "timestamp") for one, other in permutations(_TIMES))
    yield from ((f"list<{one}>,list<{other}>", "list<dyn>") for one, other in MIXED)


def _subtraction() -> Iterator[_Overload]:
    yield from _arithmetic()
    yield from ((f"{kind},{kind}", "duration") for kind in _TIMES)
    yield ("timestamp,duration", "timestamp")


def _equality() -> Iterator[_Overload]:
    yield ("~A,~A", "bool")
    for one, other in MIXED:
        yield (f"{one},{other}", "bool")
        yield (f"list<{one}>,list<{other}>", "bool")


def _order() -> Iterator[_Overload]:
    for kind in (*_NUMBERS, "bool", "string", "bytes", *_TIMES):
        yield (f"{kind},{kind}", "bool")
    yield from ((f"{one},{other}", "bool") for one, other in MIXED)


def _membership() -> Iterator[_Overload]:
    yield ("~A,list<~A>", "bool")
    yield ("~A,map<~A,~B>", "bool")
    for one, other in MIXED:
        yield (f"{one},list<{other}>", "bool")
        yield (f"{one},map<{other},~B>", "bool")


def _choice() -> Iterator[_Overload]:
    yield ("bool,~A,~A", "~A")
    for one, other in MIXED:
        yield (f"bool,{one},{other}", "dyn")
        yield (f"bool,list<{one}>,list<{other}>", "list<dyn>")


_OPERATORS = {
    "_+_": _addition,
    "_-_": _subtraction,
    **dict.fromkeys(("_*_", "_/_"), _arithmetic),
    **dict.fromkeys(("_==_", "_!=_"), _equality),
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _order),
    "@in": _membership,
    "_?_:_": _choice,
}


def _configuration() -> Json:
    # The library does not add overloads to an operator that it declares itself, so all of them are declared again.
    functions: list[Json] = []
    for name, overloads in _OPERATORS.items():
        # In a signature, `<` starts the parameters of a type.
        escaped = name.replace("<", "\\<").replace(">", "\\>")
        declared: list[Json] = [
            {"id": f"{name}({arguments})", "signature": f"{escaped}({arguments})", "return": result}
            for arguments, result in overloads()
        ]
        functions.append({"name": name, "overloads": declared})
    excluded: list[Json] = [{"name": name} for name in _OPERATORS]
    return {"stdlib": {"exclude_functions": excluded}, "functions": functions}


def new_engine(implementations: Mapping[str, Callable[..., object]] | None = None) -> "cel.Env":
    """Create the library's engine with the declarations of this language.

    Args:
        implementations: functions by overload id, such as `_+_(int,double)`; only needed to evaluate with the library.
    """
    # Many definitions have no expressions, and the library needs 7 MB.
    from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]
    from cel_expr_python.ext import ext_optional  # pyright: ignore[reportMissingTypeStubs]

    return cel.NewEnv(
        # JSON is YAML.
        config=cel.NewEnvConfigFromYaml(dumps(_configuration())),
        variables=dict.fromkeys(ROOTS, cel.Type.DYN),
        extensions=[ext_optional.ExtOptional()],
        function_impls=implementations,
    )


@cache
def engine() -> "cel.Env":
    """The engine of this process, which only parses and checks."""
    return new_engine()
