"""A per-process cache of triggered pipelines, so that frequent webhooks do not read the store.

Entries expire after five seconds, and are dropped when a change of the pipeline is published.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import clock
from stepiq.core.errors import StepIQError
from stepiq.core.recent import Recent
from stepiq.execution.definitions import Definitions
from stepiq.language.definitions.compiled import Definition
from stepiq.pipelines import queries
from stepiq.pipelines.errors import PipelineNotFound, WebhookPaused
from stepiq.pipelines.records import Target
from stepiq.store.database import Database
from stepiq.store.pubsub import PIPELINE_CHANGED, Changes
from stepiq.store.states import PipelineStatus

LIFETIME = timedelta(seconds=5)
"""How long an entry is used. Limits the delay if the event of another process's change is lost."""


@dataclass(frozen=True, slots=True)
class Triggered:
    """A pipeline with its newest definition."""

    target: Target
    definition: Definition


@dataclass(frozen=True, slots=True)
class _CachedTarget:
    workspace_id: UUID
    triggered: Triggered
    read_at: datetime


def refusal(pipeline_id: UUID, status: PipelineStatus) -> StepIQError | None:
    """Why a pipeline with this status cannot be triggered; None if it can."""
    if status is PipelineStatus.ARCHIVED:
        return PipelineNotFound(pipeline_id, is_archived=True)
    return WebhookPaused(pipeline_id) if status is PipelineStatus.PAUSED else None


class Targets:
    """Recently triggered pipelines."""

    def __init__(self, database: Database, changes: Changes, definitions: Definitions) -> None:
        self._database = database
        self._definitions = definitions
        self._entries: Recent[UUID, _CachedTarget] = Recent(2_000)
        self._changed = 0
        changes.call_on(PIPELINE_CHANGED, self._forget)

    async def active(self, workspace_id: UUID, pipeline_id: UUID) -> Triggered:
        """An active pipeline of the workspace.

        Raises:
            PipelineNotFound: the workspace has no such pipeline, or it is archived.
            WebhookPaused: it is paused.
        """
        now = clock.now()
        entry = self._entries.get(pipeline_id)
        if (
            entry is not None
            and entry.workspace_id == workspace_id
            and timedelta(0) <= now - entry.read_at < LIFETIME
        ):
            self._entries.move_to_end(pipeline_id)
            return entry.triggered
        return await self._read(workspace_id, pipeline_id, now)

    async def of_any_status(self, workspace_id: UUID, pipeline_id: UUID) -> Triggered | None:
        """A pipeline of the workspace, also if it is archived or paused; None if there is none. It is always read."""
        async with self._database.reading() as session:
            found = await queries.target(session, workspace_id, pipeline_id)
            if found is None:
                return None
            definition = await self._definitions.get(session, found.id, found.version)
        return Triggered(found, definition)

    async def _read(self, workspace_id: UUID, pipeline_id: UUID, now: datetime) -> Triggered:
        changed = self._changed
        async with self._database.reading() as session:
            found = await queries.target(session, workspace_id, pipeline_id)
            if found is None:
                raise PipelineNotFound(pipeline_id)
            refused = refusal(pipeline_id, found.status)
            if refused is not None:
                raise refused
            definition = await self._definitions.get(session, found.id, found.version)
        triggered = Triggered(found, definition)
        # Not cached if a change arrived meanwhile, because the data read may be older.
        if changed == self._changed:
            self._entries[pipeline_id] = _CachedTarget(workspace_id, triggered, now)
        return triggered

    def _forget(self, payload: str | None) -> None:
        self._changed += 1
        if payload is None:
            self._entries.clear()
        else:
            self._entries.pop(UUID(payload), None)
