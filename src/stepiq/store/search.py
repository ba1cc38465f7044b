"""Search in texts without regard to case, with the same results on both stores.

The stores' own `lower` differ: SQLite's knows ASCII only, PostgreSQL's depends on how the database was made. So a searched column
has another beside it with its folded text, which Python writes.
"""

import unicodedata

import sqlalchemy as sa


def fold(text: str) -> str:
    """The form in which texts are compared: case, width and composition of letters do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def contains(
    column: sa.ColumnElement[str], folded: sa.ColumnElement[str | None], wanted: str
) -> sa.ColumnElement[bool]:
    """Whether a column has a text somewhere in it.

    Args:
        column: as it is shown.
        folded: its folded text; null where a process of an earlier version has written the row.
        wanted: as a person types it. None of its characters is a wildcard.
    """
    return sa.func.coalesce(folded, sa.func.lower(column)).contains(fold(wanted), autoescape=True)
