"""Rows of reviews and of the runs that wait for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.execution.admission.control import PARKED
from stepiq.store.database import Database
from stepiq.store.states import ReviewDecision, RunStatus, TriggerType
from stepiq.store.tables import reviews, runs

ASSIGNEES = ("ada@example.com", "bob@example.com")


@dataclass(frozen=True)
class MadeReview:
    """A review, and the run that waits for it."""

    id: UUID
    run_id: UUID
    step_id: str

    @property
    def url(self) -> str:
        return f"/api/runs/{self.run_id}/reviews/{self.step_id}"


class MakeReviews:
    database: Database

    async def review(
        self,
        account: Account,
        pipeline_id: UUID,
        *,
        run_id: UUID | None = None,
        pipeline_version: int = 1,
        caller_id: UUID | None = None,
        step_id: str = "check",
        iteration: int = 1,
        message: str = "Please check this.",
        under_review: Any = None,
        editable: bool = True,
        assignees: Sequence[str] = ASSIGNEES,
        lasts: timedelta = timedelta(days=3),
        decision: ReviewDecision | None = None,
    ) -> MadeReview:
        """Insert a review, open unless `decision` is given, and the waiting run unless `run_id` is given."""
        review_id, now = ids.uuid7(), clock.now()
        async with self.database.transaction() as session:
            if run_id is None:
                run_id = ids.uuid7()
                await session.execute(
                    runs.insert().values(
                        id=run_id,
                        workspace_id=account.workspace_id,
                        pipeline_id=pipeline_id,
                        pipeline_version=pipeline_version,
                        caller_type=None if caller_id is None else "user",
                        caller_id=caller_id,
                        trigger_type=TriggerType.MANUAL,
                        status=RunStatus.WAITING,
                        input_data={},
                        ticket=PARKED,
                        claim=1,
                        wake_at=now + lasts,
                        deadline_at=now + timedelta(days=30),
                        created_at=now,
                        started_at=now,
                    )
                )
            await session.execute(
                reviews.insert().values(
                    id=review_id,
                    workspace_id=account.workspace_id,
                    pipeline_id=pipeline_id,
                    run_id=run_id,
                    step_id=step_id,
                    iteration=iteration,
                    message=message,
                    input=under_review,
                    editable=editable,
                    assignees=list(assignees),
                    requested_at=now,
                    expires_at=now + lasts,
                    closed_at=None if decision is None else now,
                    decision=decision,
                    reviewer=None if decision is None else assignees[0],
                )
            )
        return MadeReview(review_id, run_id, step_id)
