import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stepiq.core.http import (
    EgressBlocked,
    FailureKind,
    GuardedClient,
    HeaderInvalid,
    NetworkFailure,
    Reply,
    RequestInvalid,
    Timeouts,
    UrlInvalid,
    transport,
)
from stepiq.core.http.transport import Resolver
from tests.support.listeners import answer, answering, listening, serving

LOOPBACK = (ip_network("127.0.0.0/8"),)
HURRIED = Timeouts(
    connect=timedelta(seconds=0.3), read=timedelta(seconds=0.3), total=timedelta(seconds=0.6)
)


class Names:
    """A resolver with answers of its own: each look-up of a name gets the next one, the last for ever."""

    def __init__(self, **answers: str | Sequence[str]) -> None:
        self._answers = {name: [each] if isinstance(each, str) else list(each) for name, each in answers.items()}  # fmt: skip
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers.get(host.partition(".")[0])
        if answers is None:
            raise OSError("no such name")
        return (answers.pop(0) if len(answers) > 1 else answers[0]).split()


class Offline:
    """A resolver without a network."""

    async def resolve(self, host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class Nobody:
    """A resolver that never answers."""

    async def resolve(self, host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []


@pytest.fixture
async def opened() -> AsyncIterator[GuardedClient]:
    """A client to which loopback is open, and which knows the names `here` and `inside`."""
    names = Names(here="127.0.0.1", inside="10.0.0.1")
    async with GuardedClient(allowed=LOOPBACK, resolver=names) as client:
        yield client


async def reply_of(client: GuardedClient, method: str, url: str, **options) -> Reply:
    reply = await client.send(method, url, **options)
    assert isinstance(reply, Reply), reply
    return reply


async def failure_of(client: GuardedClient, url: str, **options) -> NetworkFailure:
    failure = await client.send("GET", url, **options)
    assert isinstance(failure, NetworkFailure), failure
    return failure


class TestSend:
    async def test_it_sends_and_reads(self, opened: GuardedClient):
        async with listening(answer(201, b"made", X_Mine="1")) as server:
            reply = await reply_of(
                opened, "post", f"{server.url}/hook?a=b", headers={"X-Key": "k"}, content=b"{}"
            )

        head = server.requests[0].decode().lower()
        assert (reply.status_code, reply.body, reply.is_cut) == (201, b"made", False)
        assert reply.headers["x-mine"] == "1"
        assert head.startswith("post /hook?a=b http/1.1\r\n")
        assert "x-key: k" in head
        assert "accept-encoding: identity" in head
        assert head.endswith("\r\n\r\n{}")

    async def test_the_name_stays_in_the_request(self, opened: GuardedClient):
        async with listening() as server:
            await reply_of(opened, "GET", f"http://here.example:{server.port}/")

        assert f"host: here.example:{server.port}" in server.requests[0].decode().lower()

    async def test_a_connection_is_kept_for_its_host_only(self, opened: GuardedClient):
        async with listening() as server:
            for _ in range(2):
                await reply_of(opened, "GET", f"http://here.example:{server.port}/")
            await reply_of(opened, "GET", f"http://here.other:{server.port}/")
            with pytest.raises(EgressBlocked):
                await opened.send("GET", f"http://inside.example:{server.port}/")

        assert server.connections == 2

    async def test_another_address_is_tried_when_the_first_does_not_answer(self):
        async with listening() as server:
            names = Names(two="127.0.0.2 127.0.0.1")
            async with GuardedClient(allowed=LOOPBACK, resolver=names) as client:
                reply = await reply_of(client, "GET", f"http://two.example:{server.port}/")

        assert reply.status_code == 200

    async def test_cookies_are_not_kept(self, opened: GuardedClient):
        async with listening(answer(Set_Cookie="a=b")) as server:
            for _ in range(2):
                await reply_of(opened, "GET", server.url)

        assert b"cookie" not in server.requests[1].lower()

    async def test_cookies_are_not_read(
        self, opened: GuardedClient, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(CookieJar, "make_cookies", pytest.fail)

        async with listening(answer(Set_Cookie="a=b")) as server:
            reply = await reply_of(opened, "GET", server.url)

        assert reply.headers["set-cookie"] == "a=b"

    async def test_proxies_of_the_environment_are_ignored(
        self, opened: GuardedClient, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

        async with listening() as server, GuardedClient(allowed=LOOPBACK) as client:
            reply = await reply_of(client, "GET", server.url)

        assert reply.status_code == 200

    @pytest.mark.parametrize("name", ["Host", "connection", "Transfer-Encoding", "content-length"])
    async def test_headers_of_the_way_are_refused(self, opened: GuardedClient, name: str):
        with pytest.raises(HeaderInvalid, match=name):
            await opened.send("GET", "http://127.0.0.1:1", headers={name: "x"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X A", "x"),
            ("", "x"),
            ("X:", "x"),
            ("X", "a\r\nHost: b"),
            ("X", "a\x00"),
            ("X", "\ud800"),
        ],
    )
    async def test_headers_that_would_break_the_message_are_refused(
        self, opened: GuardedClient, name: str, value: str
    ):
        with pytest.raises(HeaderInvalid):
            await opened.send("GET", "http://127.0.0.1:1", headers={name: value})

    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("Ä 中 \U0001f600", "Ä 中 \U0001f600"),
            ("a\x85b\u2028c", "a\x85b\u2028c"),
            (" \ta b\t ", "a b"),
            ("  ", ""),
        ],
    )
    async def test_values_are_sent_in_utf_8_without_blanks_around_them(
        self, opened: GuardedClient, value: str, sent: str
    ):
        async with listening() as server:
            await reply_of(opened, "GET", server.url, headers={"X-A": value})

        assert f"\r\nX-A: {sent}\r\n".encode() in server.requests[0]

    @pytest.mark.parametrize("method", ["", "A B", "GÉT", "A\r\nHost: b"])
    async def test_a_method_that_would_break_the_message_is_refused(
        self, opened: GuardedClient, method: str
    ):
        async with listening() as server:
            with pytest.raises(RequestInvalid, match="its method, URL or headers"):
                await opened.send(method, server.url)

        assert server.requests == []


class TestSize:
    async def test_a_long_body_is_cut(self, opened: GuardedClient):
        async with listening(answer(body=b"a" * 100_000)) as server:
            reply = await reply_of(opened, "GET", server.url, max_bytes=1024)

        assert (len(reply.body), reply.is_cut) == (1024, True)

    async def test_a_bomb_is_cut_before_it_grows(self, opened: GuardedClient):
        bomb = gzip.compress(bytes(64 * 1024 * 1024))

        async with listening(answer(body=bomb, Content_Encoding="gzip")) as server:
            reply = await reply_of(opened, "GET", server.url, max_bytes=4096)

        assert (len(reply.body), reply.is_cut) == (4096, True)

    @pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "nonsense"])
    async def test_other_encodings_are_not_unpacked(self, opened: GuardedClient, encoding: str):
        async with listening(answer(Content_Encoding=encoding)) as server:
            failure = await failure_of(opened, server.url)

        assert (failure.kind, failure.status_code) == (FailureKind.PROTOCOL, 200)


class TestFailures:
    async def test_a_name_without_address(self, opened: GuardedClient):
        failure = await failure_of(opened, "http://unknown.example/s3cret")

        assert failure.kind is FailureKind.NAME
        assert failure.message == "`unknown.example` could not be found in DNS."

    @pytest.mark.parametrize("resolver", [Offline(), Nobody()], ids=["offline", "nobody"])
    async def test_dns_gives_no_answer(self, resolver: Resolver, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(transport, "RESOLVE", timedelta(milliseconds=10))
        async with GuardedClient(resolver=resolver) as client:
            failure = await failure_of(client, "http://known.example/s3cret")

        assert failure.kind is FailureKind.NO_DNS
        assert failure.message == "`known.example` was not found: DNS gave no answer."

    async def test_an_empty_answer_of_the_resolver(self):
        async with GuardedClient(resolver=Names(empty="")) as client:
            failure = await failure_of(client, "http://empty.example/")

        assert failure.kind is FailureKind.NAME

    async def test_a_resolver_that_does_not_answer(self):
        async with GuardedClient(resolver=Nobody()) as client:
            failure = await failure_of(client, "http://slow.example/", timeouts=HURRIED)

        assert failure.kind is FailureKind.TIMEOUT

    async def test_nobody_listens(self, opened: GuardedClient):
        failure = await failure_of(opened, "http://127.0.0.1:1/")

        assert failure.kind is FailureKind.CONNECT
        assert "`127.0.0.1` refused the connection on port 1" in failure.message

    async def test_a_reply_that_does_not_come(self, opened: GuardedClient):
        async with listening(_never) as server:
            failure = await failure_of(opened, server.url, timeouts=HURRIED)

        assert (failure.kind, failure.status_code) == (FailureKind.TIMEOUT, None)

    async def test_a_reply_that_drips_is_over_in_time_all_the_same(self, opened: GuardedClient):
        timeouts = Timeouts(total=timedelta(seconds=2))
        async with listening(_drip) as server:
            failure = await failure_of(opened, server.url, timeouts=timeouts)

        assert (failure.kind, failure.status_code) == (FailureKind.TIMEOUT, 200)

    async def test_what_is_not_http(self, opened: GuardedClient):
        async with listening(b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as server:
            failure = await failure_of(opened, server.url)

        assert failure.kind is FailureKind.PROTOCOL

    async def test_an_answer_that_ends_early(self, opened: GuardedClient):
        async with listening(_break_off) as server:
            failure = await failure_of(opened, server.url)

        assert (failure.kind, failure.status_code) == (FailureKind.PROTOCOL, 200)


class TestRedirects:
    async def test_they_are_answers_unless_asked_for(self, opened: GuardedClient):
        async with listening(answer(302, Location="/there")) as server:
            reply = await reply_of(opened, "GET", server.url)

        assert reply.status_code == 302

    @pytest.mark.parametrize(
        ("status", "method", "becomes"),
        [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT"), (302, "PUT", "PUT"), (303, "HEAD", "HEAD")],
    )  # fmt: skip
    async def test_methods_follow_the_rules(
        self, opened: GuardedClient, status: int, method: str, becomes: str
    ):
        content = None if method == "HEAD" else b"{}"
        first = answer(status, b"", Location="/there")
        async with listening(first, answer(body=b"")) as server:
            reply = await reply_of(opened, method, server.url, content=content, max_redirects=1)

        head, _, body = server.requests[1].partition(b"\r\n\r\n")
        assert reply.url == f"{server.url}/there"
        assert head.startswith(f"{becomes} /there ".encode())
        assert body == (b"{}" if becomes in ("POST", "PUT") else b"")

    async def test_headers_stay_with_their_origin(self, opened: GuardedClient):
        headers = {"Authorization": "Bearer s3cret", "X-Key": "s3cret", "Accept": "text/plain"}
        async with listening() as other:
            first = answer(302, Location="/again")
            second = answer(302, Location=f"http://here.example:{other.port}/")
            async with listening(first, second) as server:
                await reply_of(opened, "GET", server.url, headers=headers, max_redirects=2)

        assert b"s3cret" in server.requests[1]
        assert b"s3cret" not in other.requests[0]
        assert b"text/plain" in other.requests[0]

    async def test_a_body_stays_with_its_origin(self, opened: GuardedClient):
        async with listening() as other:
            first = answer(307, Location=f"http://here.example:{other.port}/")
            async with listening(first) as server:
                reply = await reply_of(
                    opened, "POST", server.url, content=b"s3cret", max_redirects=2
                )

        assert reply.status_code == 307
        assert other.connections == 0

    async def test_a_circle_ends(self, opened: GuardedClient):
        circle = [answer(302, Location="/") for _ in range(4)]
        async with listening(*circle) as server:
            failure = await failure_of(opened, server.url, max_redirects=3)

        assert failure.kind is FailureKind.REDIRECTS
        assert len(server.requests) == 4

    @pytest.mark.parametrize(
        "location", ["http://[", "ftp://here.example/", "http://a@here.example"]
    )
    async def test_a_location_is_checked_like_a_url(self, opened: GuardedClient, location: str):
        async with listening(answer(302, Location=location)) as server:
            with pytest.raises(UrlInvalid):
                await opened.send("GET", server.url, max_redirects=1)


class TestTls:
    async def test_the_name_is_asked_for_and_checked(self, tmp_path: Path):
        served, trusting = _certificate(tmp_path, "here.example")
        names = Names(here="127.0.0.1")
        async with (
            listening(answer(), answer(), tls=served) as server,
            GuardedClient(allowed=LOOPBACK, resolver=names, ssl_context=trusting) as client,
        ):
            reply = await reply_of(client, "GET", f"https://here.example:{server.port}/")
            failure = await failure_of(client, f"https://here.other:{server.port}/")

        assert reply.status_code == 200
        assert server.server_names == ["here.example", "here.other"]
        assert failure.kind is FailureKind.TLS

    async def test_a_certificate_that_nobody_knows_is_not_trusted(self, tmp_path: Path):
        served, _ = _certificate(tmp_path, "here.example")
        names = Names(here="127.0.0.1")
        async with (
            listening(tls=served) as server,
            GuardedClient(allowed=LOOPBACK, resolver=names) as client,
        ):
            failure = await failure_of(client, f"https://here.example:{server.port}/")

        assert failure.kind is FailureKind.TLS
        assert failure.message == "`here.example` does not have a trusted TLS certificate."

    async def test_a_server_without_tls_is_named_with_its_port(self, opened: GuardedClient):
        async with serving(answering(answer(400))) as url:
            failure = await failure_of(opened, url.replace("http:", "https:"))

        assert failure.kind is FailureKind.NO_TLS
        assert failure.message == f"`127.0.0.1` does not use TLS on port {httpx2.URL(url).port}."

    async def test_a_server_that_refuses_the_handshake_is_reachable(self, opened: GuardedClient):
        protocol_version = b"\x15\x03\x01\x00\x02\x02\x46"
        async with serving(answering(protocol_version)) as url:
            failure = await failure_of(opened, url.replace("http:", "https:"))

        assert failure.kind is FailureKind.HANDSHAKE
        assert failure.message == "`127.0.0.1` failed the TLS handshake."


class TestHttp:
    async def test_the_bare_client_is_guarded_too(self, opened: GuardedClient):
        with pytest.raises(EgressBlocked):
            await opened.http.get("http://10.0.0.1/")
        with pytest.raises(EgressBlocked):
            await opened.http.get("http://inside.example/")

    async def test_its_errors_are_those_of_the_library(self, opened: GuardedClient):
        with pytest.raises(httpx2.ConnectError):
            await opened.http.get("http://127.0.0.1:1/")


class TestCheck:
    async def test_it_refuses_without_asking_anybody(self):
        names = Names()
        async with GuardedClient(resolver=names) as client:
            client.check("https://unknown.example/")
            with pytest.raises(EgressBlocked):
                client.check("http://127.0.0.1/")

        assert names.asked == []


async def _never(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _break_off(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    writer.close()


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a fresh certificate for a name, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return served, ssl.create_default_context(cafile=str(folder / "certificate.pem"))
