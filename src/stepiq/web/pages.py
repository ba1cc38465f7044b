"""Lists, a page at a time, newest first.

A cursor is the last id of a page: ids grow with time, so the next page starts below it, and rows that come in
between move nothing.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field

from stepiq.web.bodies import View
from stepiq.web.errors import CursorInvalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 100

Row = TypeVar("Row")
Item = TypeVar("Item")


class Page(View, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    next_cursor: Annotated[str | None, Field(examples=[None])]
    """Send it as `cursor` to get the next page. Null on the last page."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for."""

    limit: int
    before: UUID | None
    """Only rows with a smaller id; None for the first page."""

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than the page holds tells whether there is another page."""
        return self.limit + 1

    def page(
        self, rows: Sequence[Row], show: Callable[[Row], Item], key: Callable[[Row], UUID]
    ) -> Page[Item]:
        """A page from at most `fetch` rows.

        Args:
            rows: newest first.
            show: makes the answer's shape of a row.
            key: the row's id.
        """
        kept = rows[: self.limit]
        more = len(rows) > self.limit
        cursor = encode_cursor(key(kept[-1])) if more else None
        return Page(data=[show(row) for row in kept], next_cursor=cursor)


async def _page_request(
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of items per page.")
    ] = (DEFAULT_LIMIT),
    cursor: Annotated[
        str | None, Query(max_length=64, description="`next_cursor` of the previous page.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, None if cursor is None else decode_cursor(cursor))


PageQuery = Annotated[PageRequest, Depends(_page_request)]


def encode_cursor(last: UUID) -> str:
    """The cursor of the page behind this id."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> UUID:
    """The id in a cursor.

    Raises:
        CursorInvalid: it is not one that `encode_cursor` gave.
    """
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
        if len(raw) == 16 and encode_cursor(UUID(bytes=raw)) == cursor:
            return UUID(bytes=raw)
    except (binascii.Error, ValueError):
        pass
    raise CursorInvalid
