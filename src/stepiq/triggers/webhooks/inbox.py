"""Per-process caches of inbound webhooks: recently triggered pipelines, and the secrets of their senders."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import clock
from stepiq.core.errors import StepIQError
from stepiq.core.recent import Recent
from stepiq.execution.protocols import SecretReader
from stepiq.execution.records.run import NewRun
from stepiq.execution.runtime import Engine
from stepiq.pipelines import pausing
from stepiq.pipelines.triggered import Targets, Triggered, refusal
from stepiq.store.connections import waiting as answer_time
from stepiq.store.database import Database, Session
from stepiq.store.pubsub import Changes
from stepiq.store.write_batching import WriteBatcher
from stepiq.triggers.webhooks import signatures
from stepiq.triggers.webhooks.errors import SignatureSecretMissing

SECRET_LIFETIME = timedelta(seconds=5)
"""How long a changed or deleted secret may still be accepted."""
_MOST_TOGETHER = 20
"""Maximum runs accepted in one transaction, for which callers wait."""

Prepare = Callable[[Session], Awaitable[NewRun]]
"""Builds the run to accept. May be called again, and must return a run with the same id."""


class Inbox:
    """Checks webhooks without a write transaction, and accepts their runs in batches."""

    def __init__(
        self,
        database: Database,
        changes: Changes,
        engine: Engine,
        secrets: SecretReader,
    ) -> None:
        self.targets = Targets(database, changes, engine.definitions)
        self._database = database
        self._engine = engine
        self._accepting = WriteBatcher(
            database, self._accept_together, _MOST_TOGETHER, gives_up=True
        )
        self._secrets = secrets
        self._known: Recent[tuple[UUID, str], tuple[str, datetime]] = Recent(1_000)

    async def accept(self, workspace_id: UUID, prepare: Prepare) -> None:
        """Accept a run of a workspace. The run is committed when this returns.

        Raises:
            PlanRunsExhausted, PlanCreditsExhausted, QueueFull: the plan allows no more.
            PipelineNotFound, WebhookPaused: the pipeline was archived or paused meanwhile.
            StoreUnavailable: whether the run was accepted is unknown.
        """
        await self._accepting.add(prepare, workspace_id)

    async def _accept_together(self, batch: Sequence[Prepare]) -> Sequence[StepIQError | None]:
        # A batch belongs to no request, but requests wait for it.
        with answer_time.answering():
            async with self._database.transaction() as session:
                wanted = [await prepare(session) for prepare in batch]
                refused = await lock_refused(session, {run.pipeline_id for run in wanted})
                allowed = [run for run in wanted if run.pipeline_id not in refused]
                refusals = iter(await self._engine.accept_many(session, allowed))
                return [refused.get(run.pipeline_id) or next(refusals) for run in wanted]

    async def verify(
        self,
        workspace_id: UUID,
        pipeline: Triggered,
        headers: Mapping[str, str],
        body: bytes,
        *,
        is_repeated: bool = False,
    ) -> None:
        """Check the sender's signature, if the pipeline requires one.

        `is_repeated`: the request can only get the stored answer to an earlier one. Its signed time can be old.

        Raises:
            SignatureInvalid: the signature is missing, too old or wrong.
            SignatureSecretMissing, SignatureSecretUnusable: the signature cannot be checked.
        """
        spec = pipeline.definition.webhook_verify
        if spec is not None:
            secret = await self._secret(workspace_id, pipeline.target.id, spec.secret_name)
            now = None if is_repeated else clock.now()
            signatures.verify(spec, secret, headers, body, now)

    async def _secret(self, workspace_id: UUID, pipeline_id: UUID, name: str) -> str:
        # The key needs no workspace: the pipeline belongs to one, and was looked up in it.
        key, now = (pipeline_id, name), clock.now()
        known = self._known.get(key)
        if known is not None and timedelta(0) <= now - known[1] < SECRET_LIFETIME:
            return known[0]
        found = await self._read(workspace_id, pipeline_id, name)
        self._known[key] = (found, now)
        return found

    async def _read(self, workspace_id: UUID, pipeline_id: UUID, name: str) -> str:
        async with self._database.reading() as session:
            found = await self._secrets.read(
                session, workspace_id=workspace_id, pipeline_id=pipeline_id, names=[name]
            )
        if name not in found:
            raise SignatureSecretMissing(name)
        return found[name].value


async def lock_refused(session: Session, pipeline_ids: Collection[UUID]) -> dict[UUID, StepIQError]:
    """The refusals of pipelines that were archived or paused after they had been read."""
    statuses = await pausing.lock_to_trigger(session, pipeline_ids)
    refusals = {each: refusal(each, status) for each, status in statuses.items()}
    return {each: found for each, found in refusals.items() if found is not None}
