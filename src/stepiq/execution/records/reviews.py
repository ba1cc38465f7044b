"""Human reviews: recorded when a run begins to wait, closed when it continues or ends."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.records.run import ClaimedRun, NewReview, Parking
from stepiq.store.database import Session
from stepiq.store.tables import reviews


async def open_many(
    session: Session, parked: Sequence[tuple[ClaimedRun, Parking]]
) -> list[tuple[ClaimedRun, NewReview]]:
    """Record the new reviews of parked runs, and return them."""
    asked = [(run, parking.review) for run, parking in parked if parking.review is not None]
    if asked:
        await session.execute(reviews.insert(), [_row(run, review) for run, review in asked])
    return asked


async def close(session: Session, run_id: UUID) -> None:
    """Close all reviews of a run."""
    now = sa.literal(clock.now(), reviews.c.closed_at.type)
    # Without a condition on `closed_at`: with one, the database would search all open reviews.
    await session.execute(
        reviews.update()
        .where(reviews.c.run_id == run_id)
        .values(closed_at=sa.func.coalesce(reviews.c.closed_at, now))
    )


def _row(run: ClaimedRun, review: NewReview) -> dict[str, object]:
    return {
        "id": review.id,
        "workspace_id": run.workspace_id,
        "pipeline_id": run.pipeline_id,
        "run_id": run.id,
        "step_id": review.step_id,
        "iteration": review.iteration,
        "message": review.message,
        "input": review.input,
        "editable": review.editable,
        "assignees": list(review.assignees),
        "requested_at": review.requested_at,
        "expires_at": review.expires_at,
    }
