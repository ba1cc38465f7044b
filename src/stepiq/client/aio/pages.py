"""Lists that fetch their pages while they are read."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any, Generic, TypeVar

from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.base import ListPage, page_of
from stepiq.client.errors import ResponseInvalidError
from stepiq.client.requests import ApiRequest

T = TypeVar("T")


class AsyncPages(Generic[T]):
    """The items of a list. Iterate over it to get all of them; `page` fetches one page."""

    def __init__(self, transport: AsyncTransport, kind: Any, request: ApiRequest) -> None:
        self._transport = transport
        self._kind = kind
        self._request = request

    def __aiter__(self) -> AsyncIterator[T]:
        return self._items()

    async def _items(self) -> AsyncGenerator[T]:
        async for page in self.pages():
            for item in page.data:
                yield item

    async def pages(self) -> AsyncGenerator[ListPage[T]]:
        """Fetch one page after the other.

        Raises:
            ResponseInvalidError: the server sends a cursor again, so the list would never end.
        """
        page = await self.page()
        yield page
        cursors: set[str] = set()
        while (cursor := page.next_cursor) is not None:
            if cursor in cursors:
                raise ResponseInvalidError(
                    f"{self._transport.connection.server} sends the same pages of {self._request.path} again and again. Is this"
                    " the URL of a stepIQ server?"
                )
            cursors.add(cursor)
            page = await self.page(cursor)
            yield page

    async def page(self, cursor: str | None = None) -> ListPage[T]:
        """Fetch one page: the first, or the one of a `next_cursor`."""
        request = self._request
        if cursor is not None:
            request = replace(request, query={**request.query, "cursor": cursor})
        found: ListPage[T] = await self._transport.fetch(page_of(self._kind), request)
        return found
