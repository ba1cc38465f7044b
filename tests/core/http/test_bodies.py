import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from stepiq.core.http import FailureKind, GuardedClient, NetworkFailure, Reply
from tests.support.listeners import Answer, answer, listening

TEXT = 100 * b"hello " + bytes(range(256))
GZIP = gzip.compress(TEXT, mtime=0)
EMPTY = gzip.compress(b"", mtime=0)


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


def in_parts(reply: bytes) -> Answer:
    async def send(_request: bytes, writer: asyncio.StreamWriter) -> None:
        for at in range(len(reply)):
            writer.write(reply[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)

    return send


@pytest.fixture
async def client() -> AsyncIterator[GuardedClient]:
    async with GuardedClient(allowed=[ip_network("127.0.0.0/8")]) as opened:
        yield opened


async def body_of(client: GuardedClient, reply: bytes | Answer) -> Reply | NetworkFailure:
    async with listening(reply) as server:
        return await client.send("GET", server.url, max_bytes=10_000)


class TestRead:
    @pytest.mark.parametrize(
        ("encoding", "sent", "body"),
        [
            ("gzip", GZIP, TEXT),
            ("X-GZip", GZIP, TEXT),
            ("gzip", GZIP + GZIP, TEXT + TEXT),
            ("gzip", GZIP + EMPTY + GZIP, TEXT + TEXT),
            ("gzip", GZIP + bytes(512), TEXT),
            ("gzip", b"", b""),
            ("deflate", zlib.compress(TEXT), TEXT),
            ("deflate", raw_deflate(TEXT), TEXT),
            ("identity", TEXT, TEXT),
        ],
    )
    async def test_a_body_is_decoded(
        self, client: GuardedClient, encoding: str, sent: bytes, body: bytes
    ):
        reply = answer(body=sent, Content_Encoding=encoding)

        for each in (reply, in_parts(reply)):
            found = await body_of(client, each)

            assert isinstance(found, Reply)
            assert (found.body, found.is_cut) == (body, False)

    @pytest.mark.parametrize(
        ("encoding", "sent"),
        [
            ("gzip", b"hello"),
            ("gzip", GZIP[:-1]),
            ("gzip", GZIP[:9]),
            ("gzip", GZIP + GZIP[:20]),
            ("gzip", GZIP[:-5] + b"x" + GZIP[-4:]),
            ("deflate", zlib.compress(TEXT)[:-1]),
            ("deflate", raw_deflate(TEXT)[:-1]),
            ("deflate", b"x"),
        ],
    )
    async def test_a_body_that_is_incomplete_or_wrong_is_a_failure(
        self, client: GuardedClient, encoding: str, sent: bytes
    ):
        found = await body_of(client, answer(body=sent, Content_Encoding=encoding))

        assert isinstance(found, NetworkFailure)
        assert (found.kind, found.status_code) == (FailureKind.PROTOCOL, 200)
        assert "incomplete, or not in its `Content-Encoding`" in found.message

    async def test_a_body_that_decodes_to_nothing_has_a_limit(self, client: GuardedClient):
        reply = answer(body=10_000 * EMPTY, Content_Encoding="gzip")

        found = await body_of(client, reply)

        assert isinstance(found, Reply)
        assert (found.body, found.is_cut) == (b"", True)
