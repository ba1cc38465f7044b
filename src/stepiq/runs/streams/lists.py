"""Live changes of a list of runs.

The journal publishes only that a run has changed. For all listeners of a workspace in this process, one task reads the
changed runs, at most ten times a second and with one statement, and each listener selects those that match its filter.

These changes are not logged, so a listener cannot resume. Instead, `list.stale` tells the client to read its page
again. It is sent first, and whenever changes may have been missed.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from stepiq.accounts.actor import Actor
from stepiq.core import json
from stepiq.core.json import Json
from stepiq.core.observability import logging
from stepiq.runs import list_queries, schemas
from stepiq.runs.list_queries import id_range
from stepiq.runs.records import Filter, Run
from stepiq.runs.streams.listeners import KEEPALIVE_SECONDS, Channel, Listener, Streams
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.pubsub import GAP, Changes, runs_topic
from stepiq.store.types import fold


def may_match(run: Run, wanted: Filter) -> bool:
    """Whether a run matches all of a filter except its status, its error code and its failures, which change during a run."""
    facts = (
        (wanted.pipeline_id, run.pipeline_id),
        (wanted.version, run.pipeline_version),
        (wanted.trigger_type, run.trigger_type),
        (wanted.caller_id, run.caller and run.caller.id),
    )
    return (
        all(value is None or value == found for value, found in facts)
        and (wanted.tag is None or wanted.tag in run.pipeline_tags)
        and (wanted.created_after is None or run.created_at > wanted.created_after)
        and (wanted.created_before is None or run.created_at < wanted.created_before)
        and (wanted.q is None or _has_text(run, wanted.q))
    )


def matches(run: Run, wanted: Filter) -> bool:
    """Whether a run matches a filter, if `may_match` is true."""
    if wanted.statuses and run.status not in wanted.statuses:
        return False
    if wanted.with_failures and not run.failed_steps:
        return False
    return wanted.error_code is None or (run.error or {}).get("code") == wanted.error_code


def _has_text(run: Run, q: str) -> bool:
    bounds = id_range(q)
    if bounds is not None:
        return bounds[0] <= run.id.int <= bounds[1]
    return fold(q) in fold(run.pipeline_name)


_PAUSE_SECONDS = 0.1
"""Pause between two reads of changed runs. Several changes of a run within it become one event."""
_QUIET_SECONDS = 60.0
"""After this time without an event, the client reads its page again: a change is lost if its process dies between commit
and publishing."""

log = logging.get(__name__)


class ListEventType(StrEnum):
    """Types of events in the stream of a list of runs."""

    STALE = "list.stale"
    CHANGED = "run.changed"
    LEFT = "run.left"


DESCRIPTION = """\
Server-sent events, whose `data` is JSON. The server sends a comment every 15 seconds.

- `list.stale`: read the list again, because changes may have been missed. The first event, and after 60 seconds without an event. \
`data` is empty.
- `run.changed`: a run that matches the filter was created or has changed. `data` is the run as in the list, without `input_data` and \
`output`.
- `run.left`: a run that has changed does not match the filter because of its status or its error code. `data` has its `id`.
"""


def _frame(event_type: ListEventType, data: Json) -> bytes:
    return format_sse_event(data_str=json.dumps(data), event=event_type)


STALE = _frame(ListEventType.STALE, {})


@dataclass(frozen=True, slots=True)
class ChangedRun:
    """A run that has changed. Its frames are made once for all listeners."""

    run: Run
    frame: bytes
    """For listeners whose filter the run matches."""
    left: bytes

    @classmethod
    def of(cls, run: Run) -> "ChangedRun":
        """Serialize a run without its data."""
        view = schemas.run_view(run, with_data=False)
        changed = _frame(ListEventType.CHANGED, view.model_dump(mode="json"))
        return cls(run, changed, _frame(ListEventType.LEFT, {"id": str(run.id)}))

    def frame_for(self, wanted: Filter) -> bytes:
        """The frame for a listener with this filter; empty if the run cannot match it."""
        if not may_match(self.run, wanted):
            return b""
        return self.frame if matches(self.run, wanted) else self.left


class _ListChannel(Channel[ChangedRun]):
    """The listeners of the runs of one workspace."""

    def __init__(self, changes: Changes, database: Database, workspace_id: UUID) -> None:
        self._changes = changes
        self._database = database
        self._workspace_id = workspace_id
        super().__init__(runs_topic(workspace_id))

    async def _receive(self) -> None:
        async with self._changes.subscribe(self._topic) as subscription:
            self.is_open.set()
            while True:
                heard = [await subscription.next(), *subscription.rest()]
                if subscription.missed:
                    subscription.missed = False
                    self._miss()
                changed = {UUID(change.payload) for change in heard if change is not GAP}
                try:
                    async with self._database.reading() as session:
                        found = await list_queries.page(
                            session, self._workspace_id, sorted(changed), with_data=False
                        )
                except StoreUnavailable:
                    log.warning("list_stream_waits_for_store")
                    self._miss()
                    found = []
                for run in reversed(found):
                    await self._hand_out(ChangedRun.of(run))
                await asyncio.sleep(_PAUSE_SECONDS)


class ListFollower:
    """Follows the runs of a workspace that match a filter, for one listener."""

    def __init__(
        self,
        database: Database,
        streams: Streams,
        changes: Changes,
        *,
        caller: Actor,
        wanted: Filter,
    ) -> None:
        self.caller = caller
        self._database = database
        self._streams = streams
        self._changes = changes
        self._wanted = wanted
        self._is_over = False
        self._listener: Listener[ChangedRun] | None = None

    def _channel(self) -> _ListChannel:
        return _ListChannel(self._changes, self._database, self.caller.workspace_id)

    def end(self) -> None:
        """Make no more frames."""
        self._is_over = True
        if self._listener is not None:
            self._listener.close()

    async def frames(self) -> AsyncGenerator[bytes]:
        """Complete frames, one or more at a time, until `Streams.close` or `end`."""
        async with self._streams.joined(self.caller.workspace_id, self._channel) as listener:
            self._listener = listener
            loop = asyncio.get_running_loop()
            frames = STALE
            event_at = sent_at = loop.time()
            while not (self._is_over or listener.is_closed):
                if frames:
                    yield frames
                    event_at = sent_at = loop.time()
                elif loop.time() - event_at >= _QUIET_SECONDS:
                    yield STALE
                    event_at = sent_at = loop.time()
                elif loop.time() - sent_at >= KEEPALIVE_SECONDS:
                    yield KEEPALIVE_COMMENT
                    sent_at = loop.time()
                heard = await listener.take()
                frames = b"".join([each.frame_for(self._wanted) for each in heard])
                if listener.has_missed:
                    listener.catch_up()
                    frames = STALE
