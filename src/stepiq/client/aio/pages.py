"""Lists that fetch their pages while they are read."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any, Generic, TypeVar

from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.base import ListPage, page_of
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
        """Fetch one page after the other."""
        page = await self.page()
        yield page
        while page.next_cursor is not None:
            page = await self.page(page.next_cursor)
            yield page

    async def page(self, cursor: str | None = None) -> ListPage[T]:
        """Fetch one page: the first, or the one of a `next_cursor`."""
        request = self._request
        if cursor is not None:
            request = replace(request, query={**request.query, "cursor": cursor})
        found: ListPage[T] = await self._transport.fetch(page_of(self._kind), request)
        return found
