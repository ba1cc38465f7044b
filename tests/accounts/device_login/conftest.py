"""Logins with a code."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.support.clients import login, login_key

__all__ = ["login", "login_key"]

DEVICE = "/api/auth/device"
DECISIONS = "/api/user/device-login"


@pytest.fixture
def begin(client: httpx2.AsyncClient) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Starts a login, as a program on a laptop."""

    async def begin() -> dict[str, Any]:
        response = await client.post(DEVICE, json={"host_name": "laptop"})
        assert response.status_code == 200, response.text
        return response.json()

    return begin


@pytest.fixture
async def started(begin: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """A login that waits."""
    return await begin()


Ask = Callable[[dict[str, Any]], Awaitable[httpx2.Response]]


@pytest.fixture
def ask(client: httpx2.AsyncClient) -> Ask:
    """Asks for the key of a login."""

    async def ask(started: dict[str, Any]) -> httpx2.Response:
        body = {"device_code": started["device_code"]}
        return await client.post(f"{DEVICE}/token", json=body)

    return ask


async def decide(
    client: httpx2.AsyncClient, started: dict[str, Any], approve: bool = True, **options: Any
) -> httpx2.Response:
    """Confirm or refuse a login."""
    body = {"user_code": started["user_code"], "approve": approve}
    return await client.post(f"{DECISIONS}/decide", json=body, **options)
