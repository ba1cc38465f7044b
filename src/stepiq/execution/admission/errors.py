"""Errors of admission control."""

from uuid import UUID

from stepiq.core.errors import Conflict
from stepiq.store.database import StoreUnavailable


class RunNotCancellable(Conflict):
    """The run ended before it could be cancelled."""

    code = "run_already_finished"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"Run {run_id} has already finished.", run_id=run_id)


class VersionDeleted(StoreUnavailable):
    """A run's version was deleted after it had been read. Another attempt reads the newest version."""

    was_answered = True

    def __init__(self) -> None:
        super().__init__("A version of the pipeline was deleted at the same time. Try again.")
