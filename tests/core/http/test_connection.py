import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from stepiq.core.http import Client, operator_client
from stepiq.core.http.connection import BUFFER_BYTES, MAX_HEAD_BYTES
from tests.support.listeners import Answer, Handler, answer, listening, serving

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
HURRIED = httpx2.Timeout(5, read=0.2, write=0.2)
PATIENT = httpx2.Timeout(30)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with operator_client() as client:
        yield client


async def parts(*sent: bytes) -> AsyncIterator[bytes]:
    for each in sent:
        yield each


class TestResponses:
    @pytest.mark.parametrize(
        ("reply", "status_code", "body"),
        [
            (answer(201, b"made"), 201, b"made"),
            (CHUNKED, 200, b"hello"),
            (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(), 200, b"hello"),
            (b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED, 200, b"hello"),
            (CHUNKED.replace(b"0\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n"), 200, b"hello"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
            (b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + answer(), 200, b"hello"),
            (CHUNKED.replace(b"chunked", b"chunked  "), 200, b"hello"),
            (CHUNKED.replace(b"5\r\n", b"5 \r\n").replace(b"0\r\n", b"0\t\r\n"), 200, b"hello"),
            (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
            (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 200, b"hello"),
        ],
    )
    async def test_a_connection_is_used_again_after_a_complete_response(
        self, client: Client, reply: bytes, status_code: int, body: bytes
    ):
        async with listening(reply, reply) as server:
            replies = [await client.get(server.url) for _ in range(2)]

        assert [(each.status_code, each.content) for each in replies] == [(status_code, body)] * 2
        assert server.connections == 1

    @pytest.mark.parametrize(
        "reply",
        [
            answer(Connection="close"),
            answer().replace(b"HTTP/1.1", b"HTTP/1.0"),
            answer() + b"more",
            answer() + answer(),
            CHUNKED.replace(b"0\r\n\r\n", b"0\r\n\r\nmore"),
            CHUNKED.replace(b"chunked", b"chunked\t"),
            CHUNKED.replace(b" chunked", b"\r\n chunked\r\n\t"),
            answer(X="a\r\n b", Y="\n\tc"),
            answer().replace(b"\r\n", b"\r\n Content-Length: 1\r\n", 1),
        ],
    )
    async def test_a_connection_is_not_used_again_if_it_may_not_be(
        self, client: Client, reply: bytes
    ):
        async with listening(reply) as server:
            bodies = [(await client.get(server.url)).content for _ in range(2)]

        assert bodies == [b"hello"] * 2
        assert server.connections == 2

    async def test_folded_headers_are_joined(self, client: Client):
        async with listening(answer(X="a \r\n \r\n\tb", Y="\r\n c\t")) as server:
            reply = await client.get(server.url)

        assert (reply.headers["X"], reply.headers["Y"], reply.content) == ("a b", "c", b"hello")

    async def test_a_folded_head_may_arrive_in_parts(self, client: Client):
        whole = answer(X="a\r\n b\r\n c")

        async def send(_request: bytes, writer: asyncio.StreamWriter) -> None:
            for at in range(len(whole)):
                writer.write(whole[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0)

        async with listening(send) as server:
            reply = await client.get(server.url)

        assert (reply.headers["X"], reply.content) == ("a b c", b"hello")

    async def test_a_response_to_head_has_no_body(self, client: Client):
        async with listening(answer(body=b"")[:-2] + b"X: y\r\n\r\n") as server:
            reply = await client.head(server.url)
            again = await client.get(server.url)

        assert (reply.status_code, reply.content, again.content) == (200, b"", b"hello")

    async def test_a_body_without_length_ends_with_the_connection(self, client: Client):
        async with listening(_whole(b"HTTP/1.1 200 OK\r\n\r\nhello")) as server:
            assert (await client.get(server.url)).content == b"hello"

    @pytest.mark.parametrize(
        "reply",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX:",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            CHUNKED[:-5],
            CHUNKED[:-2],
        ],
    )
    async def test_a_response_that_ends_early_is_an_error(self, client: Client, reply: bytes):
        async with listening(_whole(reply)) as server:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(server.url)

    @pytest.mark.parametrize(
        "reply",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            CHUNKED.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1),
            b"HTTP/1.1 200 OK\r\nX: a\r\n b\x00\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length : 0\r\n\r\n",
            CHUNKED.replace(b"chunked", b"gzip, chunked"),
            CHUNKED.replace(b"chunked", b"chunked, gzip"),
            b"HTTP/1.1 099 Odd\r\nContent-Length: 4\r\n\r\nabcd" + answer(),
            b"HTTP/1.1 150 Odd\r\nContent-Length: 4\r\n\r\nabcd" + answer(),
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + answer(),
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\nabc",
        ],
    )
    async def test_what_is_not_http_is_an_error(
        self, client: Client, caplog: pytest.LogCaptureFixture, reply: bytes
    ):
        async with listening(reply) as server:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(server.url, timeout=PATIENT)

        assert caplog.messages == []

    async def test_a_server_that_sends_before_the_request_is_an_error(self, client: Client):
        async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            await reader.read()

        async with serving(send) as url:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(url, timeout=PATIENT)

    @pytest.mark.parametrize(
        "endless",
        [
            b"HTTP/1.1 200 OK\r\nX: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
            b"HTTP/1.1 200 OK\r\n" + (MAX_HEAD_BYTES // 6 + 1) * b"abc:1234\r\n" + b"\r\n",
        ],
    )
    async def test_what_is_not_a_body_has_a_limit(self, client: Client, endless: bytes):
        async with listening(endless + 4 * MAX_HEAD_BYTES * b"a") as server:
            with pytest.raises(httpx2.RemoteProtocolError, match="too large"):
                await client.get(server.url, timeout=PATIENT)

    async def test_trailers_have_a_limit(self, client: Client):
        trailers = 3 * MAX_HEAD_BYTES // 1000 * (b"X: " + 1000 * b"a" + b"\r\n")
        async with listening(CHUNKED[:-2] + trailers + b"\r\n") as server:
            with pytest.raises(httpx2.RemoteProtocolError, match="too large"):
                await client.get(server.url, timeout=PATIENT)

    async def test_endless_interim_responses_have_a_limit(self, client: Client):
        interim = b"HTTP/1.1 103 Early Hints\r\nX: " + 1000 * b"a" + b"\r\n\r\n"
        async with listening(400 * interim) as server:
            with pytest.raises(httpx2.RemoteProtocolError, match="too large"):
                await client.get(server.url, timeout=PATIENT)

    async def test_a_server_that_sends_nothing_more_is_an_error(self, client: Client):
        async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello") as server:
            with pytest.raises(httpx2.ReadTimeout):
                await client.get(server.url, timeout=HURRIED)

    async def test_little_is_buffered_for_a_slow_caller(self, client: Client):
        size = 16 * 1024 * 1024
        largest = whole = 0

        async with (
            listening(_whole(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(size))) as server,
            client.stream("GET", server.url) as reply,
        ):
            async for part in reply.aiter_raw():
                largest = max(largest, len(part))
                whole += len(part)
                for _ in range(20):
                    await asyncio.sleep(0)

        assert whole == size
        # One read can exceed the limit. An event loop reads at most 256 KiB at once.
        assert largest <= BUFFER_BYTES + 256 * 1024


class TestRequests:
    async def test_a_body_of_unknown_length_is_sent_in_chunks(self, client: Client):
        received: list[bytes] = []

        async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.readuntil(b"0\r\n\r\n"))
            writer.write(answer())

        async with serving(read) as url:
            await client.post(url, content=parts(b"hello", b"", b" world"))

        head, _, body = received[0].partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head.lower()
        assert body == b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

    @pytest.mark.parametrize("content", [b"hell", b"hello!"])
    async def test_a_body_of_another_length_is_not_sent(self, client: Client, content: bytes):
        async with listening() as server:
            with pytest.raises(httpx2.LocalProtocolError):
                await client.post(
                    server.url, headers={"Content-Length": "5"}, content=parts(content)
                )
            await client.get(server.url)

        assert server.connections == 2

    @pytest.mark.parametrize(
        ("name", "value"),
        [("X", "a\r\nHost: b"), ("X", "a\nb"), ("X", "a\x00"), ("X:", "a"), ("X Y", "a")],
    )
    async def test_a_header_that_would_break_the_message_is_refused(
        self, client: Client, name: str, value: str
    ):
        async with listening() as server:
            with pytest.raises(httpx2.LocalProtocolError):
                await client.get(server.url, headers={name: value})

        assert server.connections == 0

    async def test_a_length_and_chunks_are_refused(self, client: Client):
        both = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
        with pytest.raises(httpx2.LocalProtocolError):
            await client.post("http://127.0.0.1:1", headers=both, content=b"hello")

    async def test_a_response_before_the_end_of_the_request_is_returned(self, client: Client):
        async with serving(_early(answer(413, b"too large"))) as url:
            reply = await client.post(url, content=bytes(64 * 1024 * 1024), timeout=20)

        assert (reply.status_code, reply.content) == (413, b"too large")

    async def test_a_server_that_does_not_read_is_an_error(self, client: Client):
        async with serving(_early(b"")) as url:
            with pytest.raises(httpx2.WriteTimeout):
                await client.post(url, content=bytes(64 * 1024 * 1024), timeout=HURRIED)


def _whole(reply: bytes) -> Answer:
    async def send(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        writer.close()

    return send


def _early(reply: bytes) -> Handler:
    """Responds to the headers of a request, and does not read its body."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await asyncio.Event().wait()

    return send
