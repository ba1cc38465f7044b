"""Builds and closes the services of a process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stepiq.accounts.audit.recording import EntryBatcher
from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core.http import guarded_client
from stepiq.core.keys import files as key_files
from stepiq.core.keys.encryption import Keyring
from stepiq.core.mail import Mailer
from stepiq.core.observability import metrics
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.execution.definitions import Definitions
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.execution.stubs import Stubs
from stepiq.notify import outbox
from stepiq.providers.registry import Providers
from stepiq.queue import tickets
from stepiq.store import migrate, postgres_checks
from stepiq.store.database import Database
from stepiq.store.postgres_pubsub import PostgresChanges
from stepiq.store.pubsub import AUDIT_RECORDED, LocalChanges
from stepiq.web.services import Services


async def build(settings: Settings, *, sends: bool = True, stubs: Stubs | None = None) -> Services:
    """Migrate the database, and build the services of a process without starting them.

    Args:
        settings: settings of the process.
        sends: whether deliveries are sent when runs end.
        stubs: results of steps, used instead of calls to other servers.

    Raises:
        StoreUnavailable, UnsafeStore, StoreUnsupported, SchemaTooNew, SchemaTooOld, PlansInvalid, DataFolderUnusable: the operator
            must fix a problem first.
    """
    key_files.prepare_folder(settings)
    plans = Plans.load(settings.plans)
    plans.require(settings.default_plan)
    database = Database(settings)
    allow_unsafe = settings.allow_unsafe_store
    await asyncio.to_thread(postgres_checks.check, database.url, allow_unsafe=allow_unsafe)
    await asyncio.to_thread(migrate.upgrade, database.url)
    await asyncio.to_thread(tickets.prepare, database.url)
    changes = LocalChanges() if database.is_sqlite else PostgresChanges(database)
    database.on_signal(AUDIT_RECORDED, lambda: changes.publish(AUDIT_RECORDED, None))
    providers = Providers(settings)
    for provider in providers.ids:
        metrics.export_provider(provider)
    secrets = StoredSecrets(Keyring(settings), database, EntryBatcher(database))
    definitions, mailer, http = Definitions(), Mailer(settings), guarded_client(settings)
    sending = outbox.build(
        settings,
        database,
        definitions=definitions,
        plans=plans,
        secrets=secrets,
        http=http,
        mailer=mailer,
    )
    engine = Engine(
        database,
        changes,
        providers,
        plans,
        http,
        definitions=definitions,
        outbox=sending if sends else None,
        secrets=secrets,
        stubs=stubs,
        crash_limit=settings.run_crash_limit,
        exports_traces=sends and settings.exports(OtlpSignal.TRACES),
    )
    return Services(
        settings,
        database,
        changes,
        providers,
        engine,
        mailer,
        plans,
        http,
    )


@asynccontextmanager
async def built(
    settings: Settings, *, sends: bool = True, stubs: Stubs | None = None
) -> AsyncGenerator[Services]:
    """Build the services as `build` does, and close them at the end of the block."""
    services = await build(settings, sends=sends, stubs=stubs)
    changes = services.changes
    try:
        if isinstance(changes, PostgresChanges):
            await changes.start()
        yield services
    finally:
        if isinstance(changes, PostgresChanges):
            await changes.stop()
        await services.http.close()
        await services.providers.close()
        await services.database.close()
