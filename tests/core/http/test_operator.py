import pytest

from stepiq import __version__
from stepiq.core.http import operator_client
from tests.support.fake_provider import running_fake_provider
from tests.support.listeners import answer, listening


class TestOperatorClient:
    async def test_it_says_who_calls_and_carries_the_headers_given(self):
        async with running_fake_provider() as server, operator_client({"X-Mine": "1"}) as client:
            await client.post(f"{server.url}/chat/completions", json={"messages": [{}]})

        headers = server.requests[0].headers
        assert headers["user-agent"] == f"stepiq/{__version__}"
        assert headers["x-mine"] == "1"

    async def test_it_does_not_follow_redirects(self):
        async with running_fake_provider(failures=[302]) as server, operator_client() as client:
            reply = await client.post(f"{server.url}/chat/completions", json={"messages": [{}]})

        assert reply.status_code == 302

    async def test_it_keeps_no_cookies(self):
        async with listening(answer(Set_Cookie="a=b")) as server, operator_client() as client:
            for _ in range(2):
                await client.get(server.url)

        assert b"cookie" not in server.requests[1].lower()

    async def test_it_ignores_proxies_of_the_environment(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

        async with running_fake_provider() as server, operator_client() as client:
            reply = await client.get(f"{server.url}/models")

        assert reply.status_code == 200
