"""A workspace whose pipelines run in this process, for tests that use the engine through its public interface."""

import asyncio
import json
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential
from stepiq.accounts.secrets import service as secrets
from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.core.keys.encryption import Keyring
from stepiq.core.observability.trace_context import TraceParent
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.execution.records.run import NOTHING, NewRun, Reuse, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.records import text_digest
from stepiq.store.database import Database
from stepiq.store.pubsub import GAP, LocalChanges, Subscription, run_topic
from stepiq.store.states import Role, RunStatus, TriggerType
from stepiq.store.tables import (
    pipeline_versions,
    pipelines,
    run_events,
    run_steps,
    runs,
    users,
    workspaces,
)
from tests.support.make_secrets import keyring


@dataclass(frozen=True)
class Limits:
    """The limits of a test plan. The name of the plan encodes all of them."""

    runs_at_once: int | None = None
    runs_queued: int | None = None
    runs_per_day: int | None = None
    credits_per_month: int | None = None

    @property
    def name(self) -> str:
        return json.dumps(asdict(self))

    @property
    def plan(self) -> Plan:
        return replace(Plans.load({}).require("unlimited"), name=self.name, **asdict(self))


class WorldPlans(Plans):
    """Resolves test plans by name."""

    def __init__(self) -> None:
        super().__init__({})

    def get(self, name: str) -> Plan:
        # A plan of these tests is a JSON object, which queries take for limits of the workspace.
        text = name + getattr(name, "overrides", "")
        return (Limits() if text == "enterprise" else Limits(**json.loads(text))).plan


@dataclass
class Heard:
    """The events that a subscriber received for one run, in order."""

    subscription: Subscription
    events: list[dict[str, Any]] = field(default_factory=list)

    async def until(self, event_type: str, **facts: Any) -> dict[str, Any]:
        """Wait for the next event of this type whose data contains these facts, and return its data."""
        while True:
            change = await self.subscription.next()
            if change is GAP:
                continue
            payload = change.payload
            self.events.append(payload)
            data = payload["data"]
            if payload["type"] == event_type and all(data.get(k) == v for k, v in facts.items()):
                return data

    async def until_ended(self) -> dict[str, Any]:
        """Wait for the run's final event, and return its data."""
        while True:
            data = await self.until("run.status")
            if RunStatus(data["status"]).is_final:
                return data

    @property
    def text(self) -> str:
        """All text that models have streamed."""
        return "".join(e["data"]["text"] for e in self.events if e["type"] == "step.delta")

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [e["data"] for e in self.events if e["type"] == event_type]


@dataclass
class World:
    """One workspace on a running engine."""

    database: Database
    changes: LocalChanges
    engine: Engine
    workspace_id: UUID
    user_id: UUID

    @classmethod
    async def create(cls, database: Database, changes: LocalChanges, engine: Engine) -> "World":
        world = cls(database, changes, engine, uuid7(), uuid7())
        now = clock.now()
        async with database.transaction() as session:
            await session.execute(
                workspaces.insert().values(
                    id=world.workspace_id,
                    name="Test",
                    name_folded="test",
                    plan="enterprise",
                    created_at=now,
                )
            )
            await session.execute(
                users.insert().values(
                    id=world.user_id,
                    email=f"{world.user_id}@example.com",
                    name="Test",
                    name_folded="test",
                    password_hash="",
                    created_at=now,
                )
            )
        return world

    async def secret(
        self,
        name: str,
        value: str,
        *,
        pipeline_id: UUID | None = None,
        hosts: list[str] | None = None,
        keys: Keyring | None = None,
    ) -> None:
        """Store a secret, by default encrypted with the master key of the tests' engines."""
        caller = Actor(
            workspace_id=self.workspace_id,
            user_id=self.user_id,
            credential=Credential.SESSION,
            key_id=None,
            session_id=None,
            role=Role.OWNER,
            scopes=ALL_SCOPES,
            is_admin=False,
            plan="enterprise",
        )
        async with self.database.transaction() as session:
            await secrets.store(
                session,
                caller,
                keys or keyring(),
                pipeline_id=pipeline_id,
                name=name,
                value=value,
                hosts=hosts,
            )

    async def pipeline(self, source: str) -> UUID:
        """Save a pipeline without checking whether its models exist."""
        loaded = load(source, SourceFormat.YAML)
        assert loaded.errors == ()
        pipeline_id, now = uuid7(), clock.now()
        async with self.database.transaction() as session:
            await session.execute(
                pipelines.insert().values(
                    id=pipeline_id,
                    workspace_id=self.workspace_id,
                    slug=str(pipeline_id),
                    name="Test",
                    name_folded="test",
                    tags=[],
                    status="active",
                    version=1,
                    created_at=now,
                    updated_at=now,
                )
            )
            await session.execute(
                pipeline_versions.insert().values(
                    pipeline_id=pipeline_id,
                    version=1,
                    workspace_id=self.workspace_id,
                    source=source,
                    source_format="yaml",
                    source_sha256=text_digest(source),
                    definition=loaded.document,
                    created_by=self.user_id,
                    created_at=now,
                )
            )
        return pipeline_id

    async def start(
        self,
        pipeline_id: UUID,
        input_data: Any = None,
        *,
        run_timeout: timedelta = timedelta(hours=1),
        plan: Limits | None = None,
        spends_credits: bool = False,
        own_keys: Collection[str] = (),
        caller: RunCaller | None = None,
        parent: TraceParent | None = None,
        retry_of: UUID | None = None,
        reuse: Reuse = NOTHING,
        only_step: str | None = None,
        has_ticket: bool = False,
    ) -> tuple[UUID, Heard]:
        """Accept a run, and subscribe to it from its first event. With `plan`, change the workspace's plan first.

        With `has_ticket`, it is enqueued although the worker has room.
        """
        if plan is not None:
            await self.set_plan(plan)
        run_id = uuid7()
        subscribing = self.changes.subscribe(run_topic(run_id))
        # The subscription stays open until the end of the test.
        heard = Heard(await subscribing.__aenter__())
        self._open = [*getattr(self, "_open", []), subscribing]
        run = replace(
            self.new_run(pipeline_id),
            id=run_id,
            input_data=input_data if input_data is not None else {},
            timeout=run_timeout,
            plan=plan or Limits(),
            spends_credits=spends_credits,
            own_keys=own_keys,
            caller=caller,
            parent=parent,
            retry_of=retry_of,
            reuse=reuse,
            only_step=only_step,
        )
        enqueuing = self.engine.holding_backlog() if has_ticket else nullcontext()
        with enqueuing:
            async with self.database.transaction() as session:
                await self.engine.accept(session, run)
        return run_id, heard

    def new_run(self, pipeline_id: UUID) -> NewRun:
        """A run that `Engine.accept` can accept."""
        return NewRun(
            id=uuid7(),
            workspace_id=self.workspace_id,
            pipeline_id=pipeline_id,
            pipeline_version=1,
            trigger_type=TriggerType.API,
            input_data={},
            timeout=timedelta(hours=1),
            plan=Limits().plan,
            spends_credits=False,
        )

    async def run(self, source: str, input_data: Any = None) -> "Ended":
        """Run a pipeline to its end."""
        run_id, heard = await self.start(await self.pipeline(source), input_data)
        await asyncio.wait_for(heard.until_ended(), 30)
        return await self.ended(run_id, heard)

    async def ended(self, run_id: UUID, heard: Heard) -> "Ended":
        async with self.database.reading() as session:
            row = (await session.execute(sa.select(runs).where(runs.c.id == run_id))).one()
            steps = (
                await session.execute(
                    sa.select(run_steps)
                    .where(run_steps.c.run_id == run_id)
                    .order_by(run_steps.c.ordinal)
                )
            ).all()
            events = (
                await session.execute(
                    sa.select(run_events)
                    .where(run_events.c.run_id == run_id)
                    .order_by(run_events.c.seq)
                )
            ).all()
        return Ended(row, {step.step_id: step for step in steps}, list(steps), list(events), heard)

    async def set_plan(self, plan: Limits) -> None:
        """Change the workspace's plan without notifying the engine."""
        async with self.database.transaction() as session:
            await session.execute(
                workspaces.update()
                .where(workspaces.c.id == self.workspace_id, workspaces.c.plan != plan.name)
                .values(plan=plan.name)
            )

    async def cancel(self, run_id: UUID) -> None:
        """Cancel a run, and wait until its usage is counted."""
        async with self.database.transaction() as session:
            await self.engine.cancel(session, self.workspace_id, run_id)
        await self.settled(run_id)

    async def settled(self, run_id: UUID) -> None:
        """Wait until this process does not execute the run. `Engine.settled` waits only 0.5 s."""
        async with asyncio.timeout(60):
            while run_id in self.engine._executing:
                await self.engine.settled(run_id)

    async def workspace(self) -> Any:
        """The workspace's row."""
        async with self.database.reading() as session:
            return (
                await session.execute(
                    sa.select(workspaces).where(workspaces.c.id == self.workspace_id)
                )
            ).one()

    async def counters(self) -> tuple[int, int]:
        """Unfinished and admitted runs of the workspace."""
        row = await self.workspace()
        return row.unfinished_runs, row.admitted_runs


@dataclass
class Ended:
    """The stored state of a run."""

    run: Any
    steps: dict[str, Any]
    """The last row of each step."""
    rows: list[Any]
    """All rows, in the order in which the steps began."""
    events: list[Any]
    heard: Heard
