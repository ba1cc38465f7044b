"""HTTP clients of any account, with a session or an API key."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import httpx2
import pytest
from fastapi import FastAPI

from stepiq.accounts.actor import Scope
from stepiq.accounts.service import Account
from tests.support.make import Make
from tests.support.make_accounts import MadeKey

Login = Callable[[Account], Awaitable[httpx2.AsyncClient]]
LoginKey = Callable[..., Awaitable[httpx2.AsyncClient]]


def outcome(response: httpx2.Response) -> tuple[int, str | None]:
    """Status and code of a response."""
    return response.status_code, response.json().get("code")


def _client(app: FastAPI, headers: dict[str, str]) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    return httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=30
    )


async def session_headers(app: FastAPI, make: Make, account: Account) -> dict[str, str]:
    """The headers of a new session of an account."""
    opened = await make.session(account)
    token = app.state.doors.tokens.issue(account.id, opened.session_id)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def login(app: FastAPI, make: Make) -> AsyncIterator[Login]:
    """Creates clients with a session."""
    async with AsyncExitStack() as stack:

        async def login(account: Account) -> httpx2.AsyncClient:
            headers = await session_headers(app, make, account)
            return await stack.enter_async_context(_client(app, headers))

        yield login


@pytest.fixture
async def login_key(app: FastAPI, make: Make) -> AsyncIterator[LoginKey]:
    """Creates clients with an API key, with all scopes by default."""
    async with AsyncExitStack() as stack:

        async def login_key(
            account: Account, scopes: Sequence[str] | None = None
        ) -> httpx2.AsyncClient:
            wanted = None if scopes is None else [Scope(scope) for scope in scopes]
            key = await make.api_key(account, scopes=wanted)
            return await stack.enter_async_context(_client(app, {"X-API-Key": key.text}))

        yield login_key


@pytest.fixture
async def login_service_key(app: FastAPI) -> AsyncIterator[LoginKey]:
    """Creates clients with the key of `make.service_key`, or with the text of one."""
    async with AsyncExitStack() as stack:

        async def login_service_key(key: MadeKey | str) -> httpx2.AsyncClient:
            text = key if isinstance(key, str) else key.text
            return await stack.enter_async_context(_client(app, {"X-API-Key": text}))

        yield login_service_key
