"""Fixtures of tests that sign in with an identity provider, as a browser without scripts does."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from stepiq.accounts.oidc.http import OIDC, OidcServices, callback_url
from stepiq.core.settings.model import Settings
from stepiq.core.settings.oidc import OidcSettings
from stepiq.store.database import Database
from stepiq.store.tables import memberships, users
from stepiq.web.services import Services
from tests.support.false_oidc_provider import FalseOidcProvider, running_false_provider
from tests.support.make_accounts import PASSWORD
from tests.support.oidc_process import OidcProcess, oidc_provider

NAME = "company"
"""Name of the provider in the settings."""
START = f"/api/auth/oidc/{NAME}/start"

_TARGET = re.compile(r'http-equiv="refresh" content="0;url=([^"]*)"')


class Browser:
    """Keeps the cookies of the server and of the provider, and follows redirects between them."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
        self._home = settings.base_url
        self.client = httpx2.AsyncClient(transport=transport, base_url=self._home)
        """Requests to the server, with its cookies."""
        self._outside = httpx2.AsyncClient()

    async def close(self) -> None:
        await self.client.aclose()
        await self._outside.aclose()

    async def start(self, next_page: str | None = None, **query: str) -> httpx2.Response:
        """Begin a sign-in, and return the answer of the server."""
        if next_page is not None:
            query["next"] = next_page
        return await self.client.get(START, params=query)

    async def visit_provider(self, url: str) -> str:
        """Go to the provider, and return the path with which it sends the browser back."""
        for _ in range(10):
            answer = await self._outside.get(url)
            assert answer.status_code in (302, 303), answer.text
            url = str(httpx2.URL(url).join(answer.headers["location"]))
            if url.startswith(self._home):
                return url.removeprefix(self._home)
        raise AssertionError("The provider never sends the browser back.")

    async def come_back(self, **query: str) -> str:
        """Begin a sign-in at the server and complete it at the provider; returns the path of the callback."""
        answer = await self.start(**query)
        assert "failure" not in answer.headers["location"], answer.headers["location"]
        return await self.visit_provider(answer.headers["location"])

    async def sign_in(self, **query: str) -> httpx2.Response:
        """Sign in, and return the answer of the callback."""
        return await self.client.get(await self.come_back(**query))


def opened(answer: httpx2.Response) -> str:
    """The path that a successful sign-in opens."""
    assert answer.status_code == 200, answer.headers.get("location")
    found = _TARGET.search(answer.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def failure(answer: httpx2.Response) -> str:
    """The code of a failed sign-in."""
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)["failure"][0]


async def log_in(browser: Browser, email: str) -> dict[str, str]:
    """Open a session with the password, and return the header for changes."""
    body = {"email": email, "password": PASSWORD}
    answer = await browser.client.post("/api/session", json=body)
    assert answer.status_code == 200
    return {"X-CSRF-Token": answer.json()["csrf_token"]}


@pytest.fixture
async def browser(app: FastAPI, services: Services) -> AsyncIterator[Browser]:
    """A browser without cookies."""
    browser = Browser(app, services.settings)
    yield browser
    await browser.close()


@pytest.fixture
def configure(app: FastAPI, services: Services) -> Callable[..., Awaitable[None]]:
    """Configures the provider `company` with a table of the config file. Another call is a restart of the server."""

    async def configure(table: dict[str, Any]) -> None:
        providers = {NAME: OidcSettings.model_validate(table)}
        services.settings = services.settings.model_copy(update={"oidc": providers})
        await OIDC.get(app).close()
        OIDC.set(app, OidcServices.build(services, app.state.doors.jwt_secret))

    return configure


@pytest.fixture
async def false_provider(
    configure: Callable[..., Awaitable[None]],
) -> AsyncIterator[FalseOidcProvider]:
    """Our own provider, which can misbehave. It is configured."""
    async with running_false_provider() as provider:
        await configure(provider.settings())
        yield provider


@pytest.fixture(scope="session")
def real_provider(default_settings: Settings) -> Iterator[OidcProcess]:
    """A real provider, which takes a second to start."""
    with oidc_provider(callback_url(default_settings, NAME)) as provider:
        yield provider


@pytest.fixture
async def provider(
    real_provider: OidcProcess, configure: Callable[..., Awaitable[None]]
) -> OidcProcess:
    """A real provider, at which Ada signs in. It is configured."""
    await configure(real_provider.settings())
    await real_provider.sign_in("ada-1", **ada())
    return real_provider


def ada(**changes: Any) -> dict[str, Any]:
    """Claims of a person."""
    return {
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada Lovelace",
        "groups": [],
        **changes,
    }


class Accounts:
    """Reads accounts from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def roles(self, email: str) -> dict[UUID, str]:
        """The role in each workspace of an account."""
        statement = (
            sa.select(memberships.c.workspace_id, memberships.c.role)
            .join(users, users.c.id == memberships.c.user_id)
            .where(users.c.email == email, memberships.c.removed_at.is_(None))
        )
        async with self._database.reading() as session:
            return {row.workspace_id: row.role for row in await session.execute(statement)}

    async def is_admin(self, email: str) -> bool:
        async with self._database.reading() as session:
            return await session.scalar(sa.select(users.c.is_admin).where(users.c.email == email))


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)
