"""Column types and text search with the same results on SQLite and PostgreSQL.

The `lower` functions of the stores differ: SQLite's supports only ASCII, PostgreSQL's depends on the locale of the
database. So each searched column has a second column with its folded text, which Python writes.
"""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from stepiq.core import json
from stepiq.core.control_characters import storable
from stepiq.core.json import Json, SerializedJson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC: `timestamptz` on PostgreSQL, integer microseconds since 1970 on SQLite."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name != "sqlite":
            return value.astimezone(UTC)
        return _EPOCH + timedelta(microseconds=value)


class JsonText(TypeDecorator[Json]):
    """A JSON value stored as text, so that members keep their order. SQL NULL and JSON `null` are both None.

    Lone surrogates are replaced. `SerializedJson` is stored as it is, so that a large value is serialized only once.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Json, dialect: Dialect) -> str | None:
        if value is None:
            return None
        # Serialized JSON has no U+0000, only its escape.
        return str(value) if isinstance(value, SerializedJson) else storable(json.dumps(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:
        return None if value is None else json.read_trusted(value)


def one_of(column: str, values: type) -> sa.CheckConstraint:
    """A check constraint that allows only the members of an enumeration in a text column."""
    listed = ", ".join(f"'{member}'" for member in values)  # type: ignore[attr-defined]
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def fold(text: str) -> str:
    """The form of a text for comparisons, which ignore case, width and composition of letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def contains(folded: sa.ColumnElement[str], wanted: str) -> sa.ColumnElement[bool]:
    """Whether a column of folded text contains a text, as typed. No character is a wildcard."""
    return folded.contains(fold(wanted), autoescape=True)


def has_tag(tags: sa.ColumnElement[Any], wanted: str) -> sa.ColumnElement[bool]:
    """Whether a column with a JSON list of tags contains a tag."""
    # A tag contains no quotes or backslashes, so the JSON text contains it unescaped. LIKE ignores case on SQLite.
    text = sa.cast(tags, sa.Text)
    return sa.func.replace(text, json.dumps(wanted), "") != text
