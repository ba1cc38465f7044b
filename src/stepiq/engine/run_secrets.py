"""The secrets that one run may use, read once each time the run is taken up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stepiq.core import logging
from stepiq.core.encryption import SecretUnreadable
from stepiq.engine import usage
from stepiq.engine.masking import Masker
from stepiq.engine.outcomes import Failed, FailureCode
from stepiq.engine.protocols import SecretReader
from stepiq.engine.providers.registry import Providers
from stepiq.engine.records import ClaimedRun
from stepiq.language.definition import Definition
from stepiq.store.database import Database

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class RunSecrets:
    """What a run knows of its workspace's secrets; no text of it is ever recorded."""

    named: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values that templates read as `env.NAME`."""
    keys: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The account's own keys of model providers."""
    masker: Masker = field(default_factory=lambda: Masker({}))
    """Takes all of them out of what is recorded and shown."""
    failure: Failed | None = None
    """Why no step can go on: one of them cannot be opened."""


async def read_secrets(
    database: Database,
    reader: SecretReader | None,
    providers: Providers,
    run: ClaimedRun,
    definition: Definition,
) -> RunSecrets:
    """Read what the definition names and, if it asks models, the account's own keys; otherwise ask nobody.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    key_names = providers.key_names if usage.models_of(definition) else frozenset[str]()
    names = definition.secret_names | key_names
    if reader is None or not names:
        return RunSecrets()
    try:
        async with database.reading() as session:
            found = await reader.read(
                session,
                workspace_id=run.workspace_id,
                pipeline_id=run.pipeline_id,
                names=names,
            )
    except SecretUnreadable as error:
        log.error("secret_unreadable", **error.facts)
        return RunSecrets(failure=Failed(FailureCode.SECRET_UNREADABLE, error.message))
    if not found:
        return RunSecrets()
    return RunSecrets(
        named={name: value for name, value in found.items() if name in definition.secret_names},
        keys={name: value for name, value in found.items() if name in key_names},
        masker=Masker(found),
    )
