"""Errors of runs."""

from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.errors import Conflict, LimitReached, NotFound
from stepiq.store.states import RunStatus

_ENDED = {
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "been cancelled",
}


class RunNotFound(NotFound):
    """The run does not exist, or belongs to another workspace."""

    code = "run_not_found"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"Run {run_id} does not exist.", run_id=run_id)


class StepNotFound(NotFound):
    """The run has not executed the step, or not in this iteration and branch."""

    code = "step_not_found"

    def __init__(self, run_id: UUID) -> None:
        # The message omits the step id, which can be any text.
        super().__init__(
            f"Run {run_id} has not executed this step, or not in this iteration and branch. To list the steps that it has "
            "executed, use GET /api/runs/ID.",
            run_id=run_id,
        )


class OperationNotFound(NotFound):
    """The run has no such operation."""

    code = "operation_not_found"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(
            f"Run {run_id} has no such operation. To list the operations of a step, use GET /api/runs/ID/steps/STEP.",
            run_id=run_id,
        )


class RunAlreadyFinished(Conflict):
    """The run has ended and cannot change."""

    code = "run_already_finished"

    def __init__(self, run_id: UUID, status: RunStatus) -> None:
        super().__init__(
            f"Run {run_id} has already {_ENDED[status]}.", run_id=run_id, status=status
        )


class RunNotFinished(Conflict):
    """The run has not ended yet, so it cannot be retried."""

    code = "run_not_finished"

    def __init__(self, run_id: UUID, status: RunStatus) -> None:
        super().__init__(
            f"Run {run_id} is still {status}. Before you retry it, wait until it ends, or cancel it.",
            run_id=run_id,
            status=status,
        )


class RunLinkInvalid(NotFound):
    """The token is incomplete, this server did not make it, or its run has been deleted."""

    code = "run_link_invalid"
    message = "This link is not valid. Open the complete link from the email. If it still does not work, the run has been deleted."


class RunLinkExpired(NotFound):
    """The link to a run is too old."""

    code = "run_link_expired"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(
            f"This link expired on {clock.readable(expired_at)}. Ask someone with an account on this server about the run."
        )


class TooManyStreams(LimitReached):
    """The workspace or the server has reached its limit of open streams."""

    code = "too_many_streams"

    def __init__(self, cause: str, limit: int) -> None:
        super().__init__(
            f"{cause} Close a stream of your workspace, or poll GET /api/runs/ID instead.",
            limit=limit,
        )
