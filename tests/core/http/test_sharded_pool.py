import asyncio

import httpx2
import pytest

from stepiq.core.http.sharded_pool import MOST_OF_A_POOL, SpreadTransport


class _Stream(httpx2.AsyncByteStream):
    async def __aiter__(self):
        yield b"one"
        yield b"two"

    async def aclose(self):
        pass


class _Pool(httpx2.AsyncBaseTransport):
    def __init__(self, made: list["_Pool"]) -> None:
        made.append(self)
        self.requests = 0
        self.is_closed = False

    async def handle_async_request(self, request):
        self.requests += 1
        if request.url.path == "/broken":
            raise httpx2.ConnectError("broken")
        return httpx2.Response(200, stream=_Stream())

    async def aclose(self):
        self.is_closed = True


@pytest.fixture
def made() -> list[_Pool]:
    return []


@pytest.fixture
async def client(made):
    async with httpx2.AsyncClient(transport=SpreadTransport(lambda: _Pool(made))) as client:
        yield client


async def opened(client, count):
    """So many answers that nobody has read yet."""
    requests = [client.build_request("GET", "http://a/") for _ in range(count)]
    return [await client.send(request, stream=True) for request in requests]


class TestSpreadTransport:
    async def test_few_requests_share_a_pool(self, client, made):
        for _ in range(3 * MOST_OF_A_POOL):
            assert (await client.get("http://a/")).content == b"onetwo"

        assert [pool.requests for pool in made] == [3 * MOST_OF_A_POOL]

    async def test_more_at_once_are_spread(self, client, made):
        answers = await opened(client, 2 * MOST_OF_A_POOL + 1)

        assert [pool.requests for pool in made] == [MOST_OF_A_POOL, MOST_OF_A_POOL, 1]
        for answer in answers:
            await answer.aclose()

    async def test_what_a_burst_leaves_behind_is_closed(self, client, made):
        for answer in await opened(client, MOST_OF_A_POOL + 1):
            await answer.aclose()
        await asyncio.sleep(0)

        assert [pool.is_closed for pool in made] == [False, True]
        await client.get("http://a/")
        assert len(made) == 2

    async def test_a_request_that_fails_makes_room_for_the_next(self, client, made):
        for _ in range(MOST_OF_A_POOL + 1):
            with pytest.raises(httpx2.ConnectError):
                await client.get("http://a/broken")

        assert len(made) == 1

    async def test_an_answer_that_is_closed_twice_counts_once(self, client, made):
        (answer,) = await opened(client, 1)
        stream = answer.stream
        await answer.aclose()
        await stream.aclose()
        rest = await opened(client, MOST_OF_A_POOL + 1)

        assert len(made) == 2
        for answer in rest:
            await answer.aclose()

    async def test_all_of_it_is_closed(self, made):
        transport = SpreadTransport(lambda: _Pool(made))
        client = httpx2.AsyncClient(transport=transport)
        await opened(client, MOST_OF_A_POOL + 1)
        await client.aclose()

        assert all(pool.is_closed for pool in made)
