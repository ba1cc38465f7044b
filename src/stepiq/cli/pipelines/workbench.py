"""Runs pipelines without a server, with an engine on a temporary store and one account."""

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential
from stepiq.accounts.secrets import service as secret_store
from stepiq.core.json import Json
from stepiq.core.settings import model as settings
from stepiq.execution.stubs import Stubs
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.records import Draft
from stepiq.runs import service as runs
from stepiq.runs.schemas import RunDetail, run_detail
from stepiq.server.assembly import built
from stepiq.store.pubsub import run_topic
from stepiq.store.states import RunStatus
from stepiq.web.services import Services

_DRAIN = timedelta(seconds=1)
_PLAN = "enterprise"

Receive = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Handles an event of a run, given its type and data."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """An engine and an account with which a command runs pipelines."""

    services: Services
    actor: Actor

    async def save(self, draft: Draft, secrets: Mapping[str, str]) -> UUID:
        """Save a pipeline and the secrets that it may read. Returns the pipeline's id.

        Raises:
            StepIQError: the pipeline is not valid.
        """
        services = self.services
        rules = pipelines.Rules(
            services.plans,
            services.providers,
            services.changes,
            watcher=None,
            verifies_addresses=False,
        )
        async with services.database.transaction() as session:
            for name, value in secrets.items():
                # The store is temporary, and the secrets in it are encrypted.
                await secret_store.store(
                    session, self.actor, services.keyring, pipeline_id=None, name=name, value=value
                )
            saved = await pipelines.create(session, self.actor, draft, rules)
        return saved.pipeline.id

    async def run(self, pipeline_id: UUID, data: dict[str, Json], receive: Receive) -> RunDetail:
        """Run a pipeline to its end.

        Raises:
            InputInvalid: the input does not match the pipeline's schema.
        """
        services = self.services
        async with AsyncExitStack() as stack:
            async with services.database.transaction() as session:
                prepared = await runs.prepare(
                    session,
                    self.actor,
                    pipeline_id,
                    engine=services.engine,
                    plan=services.plans.get(_PLAN),
                    input_data=data,
                    version=None,
                )
                await runs.accept(session, prepared, engine=services.engine)
                run = prepared.run
                # Subscribe before the commit, so that no event is missed.
                listening = services.changes.subscribe(run_topic(run.id))
                subscription = await stack.enter_async_context(listening)
            is_final = False
            while not is_final:
                event: dict[str, Any] = (await subscription.next()).payload
                kind, said = event["type"], event["data"]
                await receive(kind, said)
                is_final = kind == "run.status" and RunStatus(said["status"]).is_final
        return run_detail(await runs.read(services.database, self.actor, run.id))


@asynccontextmanager
async def workbench(stubs: Stubs | None = None) -> AsyncGenerator[Workbench]:
    """A workbench that sends no deliveries and no email."""
    with tempfile.TemporaryDirectory(prefix="stepiq-run-") as folder:
        configured = settings.load(database_url=f"sqlite:///{Path(folder) / 'run.db'}")
        async with built(configured, sends=False, stubs=stubs) as services:
            await services.engine.start()
            try:
                yield Workbench(services, await _actor(services))
            finally:
                await services.engine.stop(_DRAIN)


async def _actor(services: Services) -> Actor:
    async with services.database.transaction() as session:
        account = await accounts.create_account(
            session,
            email="nobody@localhost",
            name=None,
            password_hash="",
            is_admin=True,
            plan=_PLAN,
            is_verified=True,
        )
    return Actor(
        workspace_id=account.workspace_id,
        user_id=account.id,
        credential=Credential.SESSION,
        key_id=None,
        session_id=None,
        role=account.role,
        scopes=ALL_SCOPES,
        is_admin=True,
        plan=_PLAN,
    )
