"""Pagination of lists, newest first.

A cursor is the last id of a page. Ids increase with time, so the next page starts below it, and rows added in between
do not shift the pages.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import ConfigDict

from stepiq.web.bodies import View
from stepiq.web.errors import CursorInvalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_BYTES = 1024 * 1024
"""Maximum size of the large columns of a page with several rows. Building a page blocks the event loop."""

Row = TypeVar("Row")
Item = TypeVar("Item")


class Page(View, Generic[Item]):
    """One page of a list."""

    # Pydantic would search the sources of all modules for each list of the API: a fifth of the time in which a server
    # starts.
    model_config = ConfigDict(use_attribute_docstrings=False)

    data: list[Item]
    next_cursor: str | None


Cursor = Annotated[
    str | None, Query(max_length=64, description="`next_cursor` of the previous page.")
]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The requested page."""

    limit: int
    before: UUID | None
    """Only rows with a smaller id; None for the first page."""

    @property
    def fetch(self) -> int:
        """The number of rows to read: one more than the page has, which shows whether there is another page."""
        return self.limit + 1

    def fitting(self, sizes: Iterable[int]) -> "PageRequest":
        """The same page, without the rows with which it would be larger than `MAX_BYTES`. It has at least one row.

        Args:
            sizes: those of at most `limit` rows, newest first.
        """
        total = 0
        for number, size in enumerate(sizes):
            total += size
            if number and total > MAX_BYTES:
                return replace(self, limit=number)
        return self

    def page(
        self, rows: Sequence[Row], show: Callable[[Row], Item], key: Callable[[Row], UUID]
    ) -> Page[Item]:
        """Build a page from at most `fetch` rows.

        Args:
            rows: newest first.
            show: converts a row to an item of the response.
            key: returns the id of a row.
        """
        kept = rows[: self.limit]
        return Page(data=[show(row) for row in kept], next_cursor=self.cursor([*map(key, rows)]))

    def cursor(self, found: Sequence[UUID], scanned_to: UUID | None = None) -> str | None:
        """The cursor of the next page; None if there is none.

        Args:
            found: at most `fetch` ids, newest first.
            scanned_to: if the query stopped before the page was full, the last id it looked at.
        """
        last = found[self.limit - 1] if len(found) > self.limit else scanned_to
        return None if last is None else encode_cursor(last)


async def _page_request(
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of items per page.")
    ] = (DEFAULT_LIMIT),
    cursor: Cursor = None,
) -> PageRequest:
    return PageRequest(limit, None if cursor is None else decode_cursor(cursor))


PageQuery = Annotated[PageRequest, Depends(_page_request)]


def encode_cursor(last: UUID) -> str:
    """The cursor of the page after this id."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> UUID:
    """The id in a cursor.

    Raises:
        CursorInvalid: `encode_cursor` did not make it.
    """
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
        if len(raw) == 16 and encode_cursor(UUID(bytes=raw)) == cursor:
            return UUID(bytes=raw)
    except (binascii.Error, ValueError):
        pass
    raise CursorInvalid
