"""Records in the audit log which secrets runs read."""

from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.batching import EntryBatcher
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.execution.protocols import SecretValue
from stepiq.execution.records.run import ClaimedRun

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
