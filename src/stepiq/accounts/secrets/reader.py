"""The engine's access to secrets: an `execution.protocols.SecretReader`."""

from collections.abc import Collection, Mapping
from uuid import UUID

from stepiq.accounts.queries.sealed import sealed_of
from stepiq.accounts.secrets import queries
from stepiq.accounts.secrets.run_reads import RunReads
from stepiq.accounts.secrets.uses import SecretNotes
from stepiq.core.keys.encryption import Keyring
from stepiq.execution.protocols import SecretValue
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.database import Session


class StoredSecrets:
    """The secrets of this server's database."""

    def __init__(
        self,
        keyring: Keyring,
        notes: SecretNotes | None = None,
        run_reads: RunReads | None = None,
    ) -> None:
        self._keyring = keyring
        self._notes = notes
        self._run_reads = run_reads

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
        if self._notes is not None:
            self._notes.note([row.id for row in chosen.values()])
        return {
            name: SecretValue(
                self._keyring.open(sealed_of(row), queries.owner_of(row)),
                None if row.hosts is None else tuple(row.hosts),
                row.id,
            )
            for name, row in chosen.items()
        }

    async def note_run(self, run: ClaimedRun, found: Mapping[str, SecretValue]) -> None:
        """Record in the audit log that a run reads these secrets. It is durable when this returns.

        Raises:
            StoreUnavailable: it is unknown whether it was recorded.
        """
        if self._run_reads is not None:
            await self._run_reads.record(run, found)

    async def settle(self) -> None:
        """Wait until the uses of secrets are recorded."""
        if self._notes is not None:
            await self._notes.settle()
