"""The engine's access to secrets: an `execution.protocols.SecretReader`."""

from collections.abc import Collection, Mapping
from uuid import UUID

from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.recording import EntryBatcher
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.queries.sealed import sealed_of
from stepiq.accounts.secrets import queries
from stepiq.core.keys.encryption import Keyring
from stepiq.execution.protocols import SecretValue
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.database import Database, Session


class StoredSecrets:
    """The secrets of this server's database. With a `database`, their uses are recorded."""

    def __init__(
        self,
        keyring: Keyring,
        database: Database | None = None,
        entries: EntryBatcher | None = None,
    ) -> None:
        self._keyring = keyring
        self._uses = None if database is None else queries.last_uses(database)
        self._entries = entries

    async def read(
        self, session: Session, *, workspace_id: UUID, pipeline_id: UUID, names: Collection[str]
    ) -> dict[str, SecretValue]:
        """Decrypted secrets by name. The pipeline's own take precedence. Names that are not stored are absent.

        Raises:
            SecretUnreadable: the master key of a secret is not available.
        """
        rows = await queries.stored(session, workspace_id, pipeline_id, names)
        # The pipeline's rows come last, so they take precedence.
        chosen = {row.name: row for row in rows}
        if self._uses is not None:
            self._uses.note([row.id for row in chosen.values()])
        return {
            name: SecretValue(
                self._keyring.open(sealed_of(row), queries.owner_of(row)),
                None if row.hosts is None else tuple(row.hosts),
                row.id,
            )
            for name, row in chosen.items()
        }

    async def note_run(self, run: ClaimedRun, found: Mapping[str, SecretValue]) -> None:
        """Record in the audit log that a run reads these secrets, once for each run and secret. It is durable when this returns.

        Raises:
            StoreUnavailable: it is unknown whether it was recorded.
        """
        if self._entries is None:
            return
        by = By(ActorKind.RUN, run.workspace_id, run.id)
        ids = sorted((name, each.id) for name, each in found.items() if each.id is not None)
        await self._entries.record(
            [
                audit.new_entry(
                    by, Action.SECRET_READ, AuditTarget(AuditTargetType.SECRET, id_, name)
                )
                for name, id_ in ids
            ],
            run.workspace_id,
        )

    async def settle(self) -> None:
        """Wait until the uses of secrets are recorded."""
        if self._uses is not None:
            await self._uses.settle()
