"""Case-insensitive text search with the same results on both stores.

The `lower` functions of the stores differ: SQLite's supports only ASCII, PostgreSQL's depends on the locale of the
database. So each searched column has a second column with its folded text, which Python writes.
"""

import unicodedata
from typing import Any

import sqlalchemy as sa

from stepiq.core import json


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
