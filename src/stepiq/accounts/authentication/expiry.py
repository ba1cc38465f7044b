"""Ends open responses, such as event streams, when their credential no longer works.

A request is authenticated once, at its start, but a stream can last for hours. While such responses are open, one task
per process reads the state of all their credentials every two seconds, with at most two queries. This detects every
cause from any process: a logout, a revoked or expired key, a new password, a disabled account, a removed member, and
reduced rights of a person.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from contextvars import Context
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stepiq.accounts.actor import Actor, includes
from stepiq.accounts.errors import CredentialInvalid
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.core.concurrency import tasks
from stepiq.core.observability import logging
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.states import Role
from stepiq.web import requests

INTERVAL_SECONDS = 2.0

log = logging.get(__name__)


class ExpiryWatch:
    """The open responses of this process that end with their credential."""

    def __init__(self, database: Database, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._watched: dict[object, tuple[Actor, Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, actor: Actor, end: Callable[[], None]) -> Generator[None]:
        """Until the block ends, call `end` at each check that finds the actor's credential invalid."""
        entry = object()
        self._watched[entry] = (actor, end)
        if self._task is None:
            # The task outlives the request that starts it, so it does not use that request's log context.
            self._task = asyncio.create_task(self._check_for_ever(), context=Context())
        try:
            yield
        finally:
            del self._watched[entry]

    async def check(self) -> None:
        """End the responses whose credential no longer works.

        Raises:
            StoreUnavailable: nothing was ended.
        """
        watched = dict(self._watched)
        live = await self._live([actor for actor, _ in watched.values()])
        for entry, (actor, end) in watched.items():
            # The connection of a response that ended meanwhile may already serve another request.
            if actor not in live and entry in self._watched:
                end()

    async def is_live(self, actor: Actor) -> bool:
        """Whether the credential of a request still works, a session with at least the same role and rights as then.

        A session works even after its access token has expired.

        Raises:
            StoreUnavailable: the credential's state cannot be read.
        """
        return actor in await self._live([actor])

    async def _live(self, actors: Sequence[Actor]) -> set[Actor]:
        sessions = {actor.session_id for actor in actors if actor.session_id is not None}
        keys = {actor.key_id for actor in actors if actor.key_id is not None}
        now = clock.now()
        async with self._database.reading() as session:
            live = await session_queries.live_rights(session, sessions, now)
            live_keys = await key_queries.live_ids(session, keys, now)
        return {
            each
            for each in actors
            if each.key_id in live_keys
            or _is_covered(each, live.get((each.session_id, each.workspace_id)))
        }

    async def close(self) -> None:
        """Stop checking."""
        if self._task is not None:
            await tasks.cancel([self._task])
            self._task = None

    async def _check_for_ever(self) -> None:
        while self._watched:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.check()
            except StoreUnavailable:
                log.warning("stream_credentials_not_checked")
            except Exception:
                log.exception("stream_credentials_broke")
        self._task = None


def _is_covered(actor: Actor, rights: session_queries.Row | None) -> bool:
    """Whether the present rights of a session include those of the actor."""
    if rights is None or actor.role is None:
        return False
    return includes(Role(rights.role), actor.role) and (rights.is_admin or not actor.is_admin)


FINISH_SECONDS = 1.5
"""Time to read the rest of a response that ends early. With the interval of the checks, it is less than five seconds."""


class WatchedResponse(StreamingResponse):
    """A response in parts. When the caller's credential ends, the connection is reset, even if the client reads slowly.

    The credential is read from the store before the first byte: the request may have been authenticated by the cache.
    HEAD gets the headers only, and no part is made.
    """

    def __init__(
        self,
        parts: AsyncGenerator[bytes | str],
        caller: Actor,
        watch: ExpiryWatch,
        *,
        finish: Callable[[], None] | None = None,
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Create the response.

        `finish` makes `parts` end early. The connection is then reset only if the client does not read the rest in time.
        Not for files, because clients would take an incomplete file for a complete one.
        """
        self._parts = parts
        self._caller = caller
        self._watch = watch
        self._finish = finish
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(parts, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._parts):
            if not await self._watch.is_live(self._caller):
                raise CredentialInvalid(
                    "The credential has ended, or its rights were reduced. Log in again, or use another API key."
                )
            if requests.is_head(scope):
                start = {"type": "http.response.start", "status": self.status_code}
                await send({**start, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": b""})
                return
            try:
                with self._watch.watching(self._caller, partial(self._end, scope)):
                    await super().__call__(scope, receive, send)
            finally:
                if self._timer is not None:
                    self._timer.cancel()

    def _end(self, scope: Scope) -> None:
        requests.note(scope, code=CredentialInvalid.code)
        if self._finish is None:
            requests.reset(scope)
        elif self._timer is None:
            self._finish()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FINISH_SECONDS, requests.reset, scope)
