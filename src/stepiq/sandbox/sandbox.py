"""Runs users' `main` functions, each call in a new process."""

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

from stepiq.core import clock, json
from stepiq.core.concurrency.fairness import FairSemaphore, current_owner
from stepiq.core.concurrency.tasks import processor_count
from stepiq.core.json import Json
from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox import limits
from stepiq.sandbox.conversation import CodeFailed, Conversation, Outcome, SpawnFailed
from stepiq.sandbox.fork_server_client import Child, ForkServerClient
from stepiq.sandbox.frames import Job
from stepiq.sandbox.limits import MAX_INPUT_BYTES

_APART = 4
"""Levels whose entries are encoded one by one: `steps.<id>.output` is the third."""
_BREATH_BYTES = 262_144
_BREATH_PIECES = 2_000


class InputTooLarge(Exception):
    """The JSON is longer than `MAX_INPUT_BYTES`."""


async def encode(value: Json) -> bytes:
    """Encode `value` as JSON. Yields to other tasks in between.

    Raises:
        InputTooLarge: longer than `MAX_INPUT_BYTES`.
        ValueError: NaN, Infinity, or text that is not valid Unicode.
    """
    written = bytearray()
    breath = _BREATH_BYTES
    for count, piece in enumerate(_pieces(value, _APART)):
        written += piece.encode()
        if len(written) > MAX_INPUT_BYTES:
            raise InputTooLarge
        if len(written) > breath or count % _BREATH_PIECES == _BREATH_PIECES - 1:
            breath = len(written) + _BREATH_BYTES
            await asyncio.sleep(0)
    return bytes(written)


def _pieces(value: Json, apart: int) -> Iterator[str]:
    if apart and isinstance(value, dict) and value:
        yield from _object(cast("dict[str, Json]", value), apart)
    elif apart and isinstance(value, list) and value:
        yield from _array(cast("list[Json]", value), apart)
    else:
        yield json.dumps(value)


def _object(value: dict[str, Json], apart: int) -> Iterator[str]:
    before = "{"
    for name, item in value.items():
        yield f"{before}{json.dumps(name)}:"
        yield from _pieces(item, apart - 1)
        before = ","
    yield "}"


def _array(value: list[Json], apart: int) -> Iterator[str]:
    before = "["
    for item in value:
        yield before
        yield from _pieces(item, apart - 1)
        before = ","
    yield "]"


_STARTS = 2
_LEAST_AT_ONCE = 2
_MOST_AT_ONCE = 32
_MEMORY_OF_ONE = 128 * 1024 * 1024
"""Most memory that one execution needs: for the code and for the interpreter."""
_PART_OF_MEMORY = 4
"""All executions together use at most this fraction of the memory: one in four bytes."""
_CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")
_LITTLE_USE_SECONDS = 5.0
"""Recent use of a workspace that still counts as little, for the reserve and for the priority of new code."""
_DEMOTE_SECONDS = 1.0
"""Code that runs longer than this gives way to code that has just started."""


class Sandbox:
    """Executes code for all workspaces. There is one in each server process. It starts no process before the first run.

    A workspace can use as many places as there are processors, but only half of all places. The other half is for
    workspaces that use little, so these find a free place. The system shares the processors: new code of a workspace
    that uses little goes first.
    """

    def __init__(self, places: int | None = None) -> None:
        self._nursery = ForkServerClient()
        size = places or _places()
        self._places = FairSemaphore(
            size,
            share=max(_LEAST_AT_ONCE, processor_count()),
            reserve=size // 2,
            little_use_seconds=_LITTLE_USE_SECONDS,
        )

    @property
    def places(self) -> int:
        """How many executions can run at once."""
        return self._places.size

    @property
    def pid(self) -> int | None:
        """Process id of the fork server, or None if it is not started."""
        return self._nursery.pid

    async def run(
        self,
        language: CodeLanguage,
        source: str,
        value: Json,
        *,
        timeout: timedelta,  # noqa: ASYNC109 - of the code, not of the caller's wait
        log: Callable[[str], None],
    ) -> Outcome:
        """Call the `main` function of `source` with `value`, and return its outcome.

        Cancelling kills the code's process. No process of the code outlives the call.

        Args:
            language: The language of the source.
            source: At most 64 KiB.
            value: The argument of `main`; at most 4 MiB as JSON.
            timeout: Measured from the start of the code, not while the call waits for a place; at most 30 s.
            log: Called with each printed line while the code runs: up to 64 KiB, then a note that the log is full.
        """
        if (refused := _refuse(source)) is not None:
            return refused
        async with self._places.place(current_owner()):
            try:
                data = await encode(value)
            except InputTooLarge:
                return CodeFailed("code_limit", limits.INPUT_TOO_LARGE)
            except ValueError:
                return CodeFailed("code_error", limits.INPUT_NOT_JSON)
            seconds = min(timeout, limits.LONGEST_TIMEOUT).total_seconds()
            job = Job(language.value, source, seconds, clock.now().timestamp())
            for _ in range(_STARTS):
                outcome = await self._try(Conversation(job, data, log))
                if not isinstance(outcome, SpawnFailed):
                    return outcome
            return CodeFailed("code_limit", limits.NOT_STARTED)

    async def close(self) -> None:
        """Stop all executions. Those in progress fail, and later ones do not start."""
        await self._nursery.close()

    async def _try(self, conversation: Conversation) -> Outcome | SpawnFailed:
        try:
            child = self._nursery.bear()
        except OSError:
            return SpawnFailed.GONE
        parent = self._nursery.pid
        outcome = await self._hold(conversation, child)
        if outcome is SpawnFailed.SILENT and self._nursery.pid == parent:
            # The fork server is stuck and would not respond to the next request, either.
            self._nursery.stop()
        return outcome

    async def _hold(self, conversation: Conversation, child: Child) -> Outcome | SpawnFailed:
        uses_little = self._places.uses_little(current_owner())
        demotion = asyncio.get_running_loop().call_later(
            _DEMOTE_SECONDS if uses_little else 0, self._nursery.demote, child
        )
        try:
            return await conversation.hold(child.connection)
        finally:
            demotion.cancel()
            self._nursery.kill(child)


def _refuse(source: str) -> CodeFailed | None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        return CodeFailed("code_error", limits.SOURCE_NOT_TEXT)
    if size > limits.MAX_SOURCE_BYTES:
        return CodeFailed("code_limit", limits.SOURCE_TOO_LARGE)
    return None


def _places() -> int:
    fitting = _memory() // _PART_OF_MEMORY // _MEMORY_OF_ONE
    return min(_MOST_AT_ONCE, max(2 * _LEAST_AT_ONCE, fitting))


def _memory() -> int:
    """The memory of the machine or the container, in bytes."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_CONTAINER_MEMORY.read_text()))
    except (OSError, ValueError):
        # The container has no limit, or it is "max".
        return machine
