"""Errors of bulk jobs."""

from uuid import UUID

from stepiq.core.errors import Conflict, LimitReached, NotFound
from stepiq.store.states import BulkStatus


class BulkJobNotFound(NotFound):
    """The bulk job does not exist, or belongs to another workspace."""

    code = "bulk_job_not_found"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"Bulk job {job_id} does not exist.", job_id=job_id)


class BulkJobAlreadyFinished(Conflict):
    """The bulk job has ended and cannot be cancelled."""

    code = "bulk_job_already_finished"

    def __init__(self, job_id: UUID, status: BulkStatus) -> None:
        super().__init__(f"Bulk job {job_id} is already {status}.", job_id=job_id, status=status)


class TooManyBulkJobs(LimitReached):
    """The workspace has reached its limit of unfinished bulk jobs."""

    code = "too_many_bulk_jobs"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Your workspace has {limit} unfinished bulk jobs, which is the maximum. Wait until one of them ends, or "
            "cancel one.",
            limit=limit,
        )
