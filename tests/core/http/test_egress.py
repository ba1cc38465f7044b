"""Promise: what a tenant writes reaches public addresses only. A canary listens on loopback; nobody may come."""

# ruff: noqa: RUF001, S104 — characters that look like others are what is tried here, and nothing is bound

import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest

from stepiq.core.http import EgressBlocked, GuardedClient, RequestInvalid
from tests.support.listeners import Listener, answer, listening

SPELLINGS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0177.0.0.01",
    "00000177.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7F000001",
    "0x7f.0x0.0x0.0x1",
    "2130706433",
    "017700000001",
    "0000017700000001",
    "127.0.0.1%00.example.com",
    "127.0.0.1%2f.example.com",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "٣٢.1.1.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "app.localhost",
    "0",
    "0.0.0.0",
    "0x0",
    "127.255.255.254",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "[fe80::5efe:127.0.0.1]",
    "example.com@127.0.0.1",
    "example.com:80@127.0.0.1",
    "example.com\\@127.0.0.1",
    "example.com#@127.0.0.1",
    "example.com?@127.0.0.1",
    "127.0.0.1\\.example.com",
    "127.0.0.1 .example.com",
    "127.0.0.1\t",
    "\u200b127.0.0.1",
    "127.0.0.1\u3002",
]
RESOLVED = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "fd00::1", "fe80::1%lo", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "255.255.255.255", "8.8.8.8 127.0.0.1", "2606:4700::1 ::1"]  # fmt: skip


class Rebinding:
    """A name server that says one thing first and another from then on."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1].split()


class System:
    """What `getaddrinfo` makes of a name or of any spelling of an address, without a name server."""

    async def resolve(self, host: str) -> Sequence[str]:
        if host.rstrip(".").endswith("localhost"):
            return ["127.0.0.1", "::1"]
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            # Every other name belongs to whoever wants to get in.
            return ["127.0.0.1"]


@pytest.fixture
async def canary() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


class TestNobodyComes:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_by_any_spelling(self, canary: Listener, spelling: str):
        async with GuardedClient(resolver=System()) as client:
            for url in (f"http://{spelling}:{canary.port}/", f"https://{spelling}:{canary.port}"):
                with pytest.raises(RequestInvalid):
                    await client.send("GET", url, max_redirects=5)

        assert canary.connections == 0

    @pytest.mark.parametrize("addresses", RESOLVED)
    async def test_by_what_a_name_resolves_to(self, canary: Listener, addresses: str):
        async with GuardedClient(resolver=Rebinding(addresses)) as client:
            with pytest.raises(EgressBlocked, match=r"evil\.example"):
                await client.send("GET", f"http://evil.example:{canary.port}/")

        assert canary.connections == 0

    async def test_by_a_name_that_changes_its_address(self, canary: Listener):
        resolver = Rebinding("127.0.0.2", "127.0.0.1")
        allowed = (ip_network("127.0.0.2/32"),)
        async with GuardedClient(allowed=allowed, resolver=resolver) as client:
            url = f"http://evil.example:{canary.port}/"
            # Asked once per connection: what was checked is what is connected to, and nobody is there.
            await client.send("GET", url)
            with pytest.raises(EgressBlocked):
                await client.send("GET", url)

        assert resolver.asked == 2
        assert canary.connections == 0

    @pytest.mark.parametrize(
        "location",
        ["http://127.0.0.1:{}/", "//127.0.0.1:{}/", "http://[::ffff:127.0.0.1]:{}/", "http://inner.example:{}/", "http://0x7f.1:{}/", "http://a@127.0.0.1:{}/"],
    )  # fmt: skip
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_by_a_redirect(self, canary: Listener, location: str, status: int):
        # The first hop is open, at another address of loopback; where it leads is not.
        allowed = (ip_network("127.0.0.2/32"),)
        reply = answer(status, b"", Location=location.format(canary.port))
        async with (
            listening(reply, host="127.0.0.2") as first,
            GuardedClient(allowed=allowed, resolver=System()) as client,
        ):
            with pytest.raises(RequestInvalid):
                await client.send("GET", f"http://127.0.0.2:{first.port}/", max_redirects=3)

        assert len(first.requests) == 1
        assert canary.connections == 0

    async def test_though_the_canary_hears_who_may_come(self, canary: Listener):
        allowed = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
        async with GuardedClient(allowed=allowed, resolver=System()) as client:
            await client.send("GET", f"http://localhost:{canary.port}/")

        assert canary.connections == 1

    def test_there_are_enough_spellings(self):
        assert len(set(SPELLINGS)) >= 40
