"""Connects a command with its server."""

import inspect
import re
import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import typer

from stepiq.cli.output.console import UsageError
from stepiq.cli.remote.target import (
    KEY_VARIABLE,
    SERVER_VARIABLE,
    ServerTarget,
    default_server,
    resolve,
)
from stepiq.core.control_characters import escape_line
from stepiq.core.errors import Unauthenticated

if TYPE_CHECKING:
    from stepiq.client import AsyncClient, NotFoundError

T = TypeVar("T")

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="The server to call. Default: STEPIQ_SERVER, the profile, or this machine with STEPIQ_PORT or 8080.",
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Use this profile of `stepiq login`. Default: STEPIQ_PROFILE, or the default profile.",
    ),
]
_UNKNOWN_SLUG = re.compile(r"pipeline with the slug `([^`]+)`")
_MOST_COMPARED = 500
_MOST_ITEMS = 100_000
_MOST_PAGES = 10_000
"""More than a list of a server has. Of runs, the server searches 2,000 for each page."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options that all commands have that call a server."""

    server: Server = None
    profile: ProfileName = None
    as_json: Json = False


_options: ContextVar[CallOptions] = ContextVar("options")


def with_call_options(command: Callable[..., None]) -> Callable[..., None]:
    """The function of a command, with the options of `CallOptions` that it does not have itself."""
    own, common = inspect.signature(command), inspect.signature(CallOptions).parameters
    added = [each for name, each in common.items() if name not in own.parameters]

    @wraps(command)
    def run(**given: Any) -> None:
        _options.set(CallOptions(**{name: given[name] for name in common}))
        command(**{name: given[name] for name in own.parameters})

    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # pyright: ignore[reportAttributeAccessIssue] - which Typer reads
    return run


def is_json() -> bool:
    """Whether the command prints JSON."""
    return _options.get().as_json


class NotSignedIn(Unauthenticated):
    """No key is known for the server that a command calls."""

    code = "not_signed_in"

    def __init__(self, server: str) -> None:
        super().__init__(
            f"No API key is known for {server}. Run `stepiq login --server {server}`,"
            f" or set {KEY_VARIABLE}."
        )


def call(action: "Callable[[AsyncClient], Awaitable[T]]") -> T:
    """Run an action with a client of the server that the command's options name.

    Raises:
        NotSignedIn: no key is known for the server.
        UsageError, ProfilesInvalid: the server or the profile cannot be determined.
        ClientError: a request failed.
    """
    target = resolve(_options.get().server, _options.get().profile)
    if target.api_key is None:
        raise NotSignedIn(target.server)

    from stepiq.client import NotFoundError

    async def run() -> T:
        async with client_of(target) as client:
            try:
                return await action(client)
            except NotFoundError as error:
                await _suggest_pipeline(client, error)
                raise

    import asyncio

    with explained(target):
        return asyncio.run(run())


@contextmanager
def explained(target: ServerTarget) -> Generator[None]:
    """Add to errors where the key comes from, and what to do if the server cannot be reached."""
    from stepiq.client import AuthenticationError

    try:
        with advised(target.server):
            yield
    except AuthenticationError as error:
        error.message = (
            f"{target.server} does not accept the API key from {target.key_source}. It may be revoked, expired or of"
            f" another server. Run `stepiq login --server {target.server}`, or correct the key."
        )
        raise


@contextmanager
def advised(server: str) -> Generator[None]:
    """Add to the error about an unreachable server what to do."""
    from stepiq.client import ServerUnreachableError

    try:
        yield
    except ServerUnreachableError as error:
        error.message += (
            f" Start it with `stepiq serve`, or name another server in {SERVER_VARIABLE}."
            if server == default_server()
            else " Check its URL, and whether it runs."
        )
        raise


async def _suggest_pipeline(client: "AsyncClient", error: "NotFoundError") -> None:
    """Add to the error about an unknown slug the one that is most like it."""
    from difflib import get_close_matches

    from stepiq.client import ClientError

    wanted = _UNKNOWN_SLUG.search(error.message)
    if error.code != "pipeline_not_found" or wanted is None:
        return
    try:
        known = await everything(
            client, "/api/pipelines", limit=_MOST_COMPARED, include_definition=False
        )
    except ClientError:
        return  # The key can start runs and not list pipelines.
    if near := get_close_matches(wanted[1], [each["slug"] for each in known], 1):
        error.message += f" Did you mean `{near[0]}`?"


def client_of(target: ServerTarget) -> "AsyncClient":
    """A client of the server of a command."""
    from stepiq.client import AsyncClient

    return AsyncClient(target.server, api_key=target.api_key)


def run_path(run: str) -> str:
    """The path of a run, from its id.

    Raises:
        UsageError: it is not an id.
    """
    try:
        return f"/api/runs/{UUID(run)}"
    except ValueError:
        raise UsageError(
            f"`{escape_line(run[:64])}` is not the id of a run. `stepiq runs list` and"
            " `stepiq reviews list` print ids."
        ) from None


def pipeline_path(pipeline: str) -> str:
    """The path of a pipeline, from its slug or id."""
    return f"/api/pipelines/{quote(pipeline, safe='')}"


def new_key() -> str:
    """An idempotency key, with which a request can be repeated after a lost response."""
    return secrets.token_urlsafe(24)


async def everything(
    client: "AsyncClient", path: str, *, limit: int | None = None, **query: Any
) -> list[dict[str, Any]]:
    """The items of a list, from all of its pages.

    Args:
        client: the client.
        path: such as `/api/runs`.
        limit: the most items to return.
        query: filters of the list.

    Raises:
        ResponseInvalidError: the list does not end.
    """
    size = 100 if limit is None else min(100, limit)
    found: list[dict[str, Any]] = []
    pages = 0
    async for page in client.pages(path, query={**query, "limit": size}).pages():
        found += page.data
        pages += 1
        if limit is not None and len(found) >= limit:
            return found[:limit]
        if pages > _MOST_PAGES or (limit is None and len(found) > _MOST_ITEMS):
            from stepiq.client import ResponseInvalidError

            raise ResponseInvalidError(
                f"{client.url} does not end the list {path}: it has sent {len(found):,} items on {pages:,} pages. Is this"
                " the URL of a stepIQ server?"
            )
    return found
