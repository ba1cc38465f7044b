"""The engine's access to secrets: an `execution.protocols.SecretReader`."""

from collections import OrderedDict
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

_KEPT = 10_000


class RunReads:
    """Records each secret that a run reads, once for each run and secret."""

    def __init__(self, batcher: EntryBatcher) -> None:
        self._batcher = batcher
        self._recorded: OrderedDict[tuple[UUID, UUID], None] = OrderedDict()
        """Saves statements if this process claims a run again. The table has a unique index for other processes."""

    async def record(self, run: ClaimedRun, found: Mapping[str, SecretValue]) -> None:
        """Record that a run reads these secrets, in one statement. They are recorded when this returns.

        Raises:
            StoreUnavailable: it is unknown whether they were recorded.
        """
        ids = {name: secret.id for name, secret in found.items() if secret.id is not None}
        new = {name: id_ for name, id_ in ids.items() if (run.id, id_) not in self._recorded}
        by = By(ActorKind.RUN, run.workspace_id, run.id)
        entries = [
            audit.new_entry(by, Action.SECRET_READ, AuditTarget(AuditTargetType.SECRET, id_, name))
            for name, id_ in sorted(new.items())
        ]
        await self._batcher.record(entries, run.workspace_id)
        for id_ in new.values():
            self._recorded[run.id, id_] = None
        while len(self._recorded) > _KEPT:
            self._recorded.popitem(last=False)


class StoredSecrets:
    """The secrets of this server's database. With a `database`, their uses are recorded."""

    def __init__(
        self,
        keyring: Keyring,
        database: Database | None = None,
        run_reads: RunReads | None = None,
    ) -> None:
        self._keyring = keyring
        self._uses = None if database is None else queries.last_uses(database)
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
        """Record in the audit log that a run reads these secrets. It is durable when this returns.

        Raises:
            StoreUnavailable: it is unknown whether it was recorded.
        """
        if self._run_reads is not None:
            await self._run_reads.record(run, found)

    async def settle(self) -> None:
        """Wait until the uses of secrets are recorded."""
        if self._uses is not None:
            await self._uses.settle()
