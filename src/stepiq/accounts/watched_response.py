"""Responses that are sent in parts and can take long. They end with the credential of their caller."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stepiq.accounts.actor import Actor
from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.accounts.errors import CredentialInvalid
from stepiq.web import requests

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

        Args:
            parts: closed when the response ends.
            caller: whose credential is watched.
            watch: the watch of this process.
            finish: makes `parts` end early. The connection is then reset only if the client does not read the rest in time.
                Not for files, because clients would take an incomplete file for a complete one.
            media_type: default: that of the class.
            headers: additional headers.
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
