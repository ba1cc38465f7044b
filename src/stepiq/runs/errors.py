"""What can go wrong with a run."""

from uuid import UUID

from stepiq.core.errors import Conflict, LimitReached, NotFound
from stepiq.store.states import RunStatus


class RunNotFound(NotFound):
    """The run does not exist, or belongs to another workspace."""

    code = "run_not_found"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"There is no run {run_id}.", run_id=run_id)


class RunAlreadyFinished(Conflict):
    """The run has ended and cannot change."""

    code = "run_already_finished"

    def __init__(self, run_id: UUID, status: RunStatus) -> None:
        super().__init__(f"Run {run_id} is already {status}.", run_id=run_id, status=status)


class RunNotFinished(Conflict):
    """The run has not ended yet, so it cannot be retried."""

    code = "run_not_finished"

    def __init__(self, run_id: UUID, status: RunStatus) -> None:
        super().__init__(
            f"Run {run_id} is still {status}. Wait for its end, or cancel it, before you retry it.",
            run_id=run_id,
            status=status,
        )


class TooManyStreams(LimitReached):
    """The workspace or the server has reached its limit of open streams."""

    code = "too_many_streams"

    def __init__(self, limit: int, whose: str) -> None:
        super().__init__(
            f"{whose} has {limit} open streams, the most there can be. Close some, or read "
            "GET /api/runs/ID instead.",
            limit=limit,
        )
