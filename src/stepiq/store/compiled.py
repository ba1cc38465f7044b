"""Compiles each form of a statement once, and converts its values for the driver and its rows for our code.

SQLAlchemy builds statements and renders them as SQL. The driver executes the SQL with positional values. Executing them
through SQLAlchemy would take about ten times as long, because it creates a context, a cursor and a result for each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, cast
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import Dialect, IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from stepiq.store.connections.connection import Fetched

_MOST_FORMS = 2_000
"""Values are not part of a form, so only lists of conditions in unusual combinations reach this number."""
_MOST_EXPANSIONS = 64
"""Of one form: SQL for lists of certain lengths."""
_LONGEST_PADDED = 4_096

Values = Mapping[str, Any]
_Convert = Callable[[Any], Any]


class Rows(IteratorResult[Any]):
    """The rows that a statement returned."""

    def __init__(self, metadata: SimpleResultMetaData, rows: Sequence[Any], rowcount: int) -> None:
        super().__init__(metadata, iter(rows))
        self.rowcount = rowcount
        """The number of rows that the statement has changed; -1 for a SELECT on SQLite."""


class CompiledStatement:
    """One form of a statement, as SQL of one dialect."""

    def __init__(self, compiled: SQLCompiler, statement: Any) -> None:
        self._compiled = compiled
        self._dialect = compiled.dialect
        self.sql = compiled.string
        self._lists = [compiled.bind_names[bind] for bind in compiled.post_compile_params]
        literals: dict[sa.BindParameter[Any], int] = {}
        if compiled.cache_key is not None:
            clones, _ = cast("Any", compiled._cache_key_bind_match)  # pyright: ignore[reportPrivateUsage] - decision 0027
            for index, literal in enumerate(compiled.cache_key.bindparams):
                literals |= dict.fromkeys(clones[literal], index)
        self._sources = {
            name: (bind.key, literals.get(bind), bind, self._bind_processor(bind.type))
            for bind, name in compiled.bind_names.items()
        }
        self._parameters = [self._sources[name] for name in compiled.positiontup or ()]
        self._expansions: dict[tuple[int, ...], _Expansion] = {}
        self._columns = [
            self._result_processor(column.type)
            for column in getattr(statement, "exported_columns", ())
        ]
        self._metadata: SimpleResultMetaData | None = None

    def _bind_processor(self, kind: TypeEngine[Any]) -> _Convert | None:
        return kind.dialect_impl(self._dialect).bind_processor(self._dialect)

    def _result_processor(self, kind: TypeEngine[Any]) -> _Convert | None:
        return kind.dialect_impl(self._dialect).result_processor(self._dialect, None)

    def bound(
        self, values: Values, literals: Sequence[sa.BindParameter[Any]]
    ) -> tuple[str, list[Any]]:
        """The SQL and the positional values of one execution."""
        if self._lists:
            return self._expanded(values, literals)
        bound: list[Any] = []
        for source in self._parameters:
            value, convert = _value(source, values, literals), source[3]
            bound.append(value if convert is None else convert(value))
        return self.sql, bound

    def _expanded(
        self, values: Values, literals: Sequence[sa.BindParameter[Any]]
    ) -> tuple[str, list[Any]]:
        """The same for a statement with lists, which has a parameter for each element."""
        given = {name: _value(source, values, literals) for name, source in self._sources.items()}
        given |= {name: _padded(given[name]) for name in self._lists}
        lengths = tuple(len(given[name]) for name in self._lists)
        expansion = self._expansions.get(lengths)
        if expansion is None:
            if len(self._expansions) >= _MOST_EXPANSIONS:
                self._expansions.clear()
            expansion = self._expansions[lengths] = self._expand(given)
        sql, places = expansion
        bound: list[Any] = []
        for name, index in places:
            value, convert = given[name], self._sources[name][3]
            if index is not None:
                value = value[index]
            bound.append(value if convert is None else convert(value))
        return sql, bound

    def _expand(self, given: Values) -> "_Expansion":
        state = self._compiled.construct_expanded_state(given, escape_names=False)
        elements = {
            element: (name, index)
            for name, parts in state.parameter_expansion.items()
            for index, element in enumerate(parts)
        }
        return state.statement, [
            elements.get(name, (name, None)) for name in state.positiontup or ()
        ]

    def rows(self, fetched: Fetched) -> Rows:
        """The fetched rows with the types of the statement's columns."""
        if self._metadata is None:
            self._metadata = SimpleResultMetaData(fetched.names)
        rows = fetched.rows
        columns = self._columns
        if rows and any(columns):
            rows = [
                tuple(
                    [
                        value if convert is None else convert(value)
                        for value, convert in zip(row, columns, strict=True)
                    ]
                )
                for row in rows
            ]
        return Rows(self._metadata, rows, fetched.rowcount)


def _value(source: "_Source", values: Values, literals: Sequence[sa.BindParameter[Any]]) -> Any:
    key, index, bind, _ = source
    if key in values:
        return values[key]
    if bind.required:
        raise KeyError(key)
    if index is not None:
        return literals[index].effective_value
    return bind.effective_value


def _padded(elements: Iterable[Any]) -> list[Any]:
    """A list that repeats its last element until its length is a power of two, so that statements have few forms."""
    padded = list(elements)
    if padded and len(padded) <= _LONGEST_PADDED:
        padded += padded[-1:] * ((1 << (len(padded) - 1).bit_length()) - len(padded))
    return padded


class StatementCache:
    """The compiled statements of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._forms: dict[Any, CompiledStatement] = {}
        # Constants are found by identity, because comparing forms takes as long as executing a short statement.
        self._known: WeakKeyDictionary[sa.Executable, dict[_Names, _Found]] = WeakKeyDictionary()

    def find(self, statement: sa.Executable, names: tuple[str, ...], *, is_many: bool) -> "_Found":
        """The compiled form of a statement for values with these names, and the literal values in the statement.

        Args:
            statement: the statement.
            names: the names of the values. An INSERT without `values` writes the columns with these names.
            is_many: whether it is executed once for each of several sets of values.
        """
        known = self._known.setdefault(statement, {})
        if (found := known.get((names, is_many))) is None:
            found = known[names, is_many] = self._find(statement, names, is_many)
        return found

    def _find(self, statement: sa.Executable, names: tuple[str, ...], is_many: bool) -> "_Found":
        clause = cast("sa.ClauseElement", statement)
        key = clause._generate_cache_key()  # pyright: ignore[reportPrivateUsage] - decision 0027
        form = None if key is None else (key.key, names, is_many)
        compiled = self._forms.get(form)
        if compiled is None or key is None:
            rendered = clause.compile(
                dialect=self.dialect,
                cache_key=key,
                column_keys=list(names) or None,
                for_executemany=is_many,
            )
            compiled = CompiledStatement(cast("SQLCompiler", rendered), statement)
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            if form is not None:
                self._forms[form] = compiled
        return compiled, () if key is None else key.bindparams


@cache
def statement_cache(*, is_sqlite: bool) -> StatementCache:
    """The compiled statements for all databases of one kind in this process."""
    if is_sqlite:
        return StatementCache(pysqlite.dialect(paramstyle="qmark"))
    return StatementCache(PGDialect_psycopg(paramstyle="numeric_dollar"))


_Source = tuple[str, int | None, sa.BindParameter[Any], _Convert | None]
"""Where the value of a parameter comes from: its name among the values, or the index of a literal, or its default."""
_Expansion = tuple[str, list[tuple[str, int | None]]]
"""The SQL for lists of certain lengths. For each position, the parameter and the index of the element."""
_Names = tuple[tuple[str, ...], bool]
_Found = tuple[CompiledStatement, Sequence[sa.BindParameter[Any]]]
