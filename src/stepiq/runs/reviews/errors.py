"""Errors of reviews."""

from collections.abc import Sequence
from uuid import UUID

from stepiq.core import clock
from stepiq.core.errors import Conflict, Invalid, Issue, NotFound, first_of
from stepiq.runs.reviews.records import Review
from stepiq.store.states import ReviewDecision

_DONE = {ReviewDecision.APPROVE: "approved", ReviewDecision.REJECT: "rejected"}


class ReviewNotFound(NotFound):
    """The run has not requested a review at this step."""

    code = "review_not_found"

    def __init__(self, run_id: UUID) -> None:
        # The message omits the step id, which can be any text.
        super().__init__(
            f"Run {run_id} has no review at this step, or none in this iteration. To list open reviews, use GET /api/reviews.",
            run_id=run_id,
        )


class ReviewClosed(Conflict):
    """The review is closed: a person decided it, it timed out, or its run continued or ended."""

    code = "review_closed"

    def __init__(self, review: Review) -> None:
        super().__init__(_why_closed(review), review_id=review.id, run_id=review.run_id)


class ReviewNotEditable(Invalid):
    """The request has an `output`, but the step does not allow reviewers to change the data."""

    code = "review_not_editable"
    message = "The content of this review cannot be edited. Omit `output`. For later runs, you can set `editable: true` in the step."


class ReviewOutputInvalid(Invalid):
    """The `output` does not match the schema of the data under review. `errors` lists every problem."""

    code = "review_output_invalid"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(first_of(issues), issues)


class ReviewLinkInvalid(NotFound):
    """The token is unknown, its run was deleted, or its assignee was removed or disabled."""

    code = "review_link_invalid"
    message = "This link is not valid. Open the complete link from the email. If it still does not work, the run has been deleted."


def _why_closed(review: Review) -> str:
    if review.decision is not None and review.closed_at is not None:
        when = clock.readable(review.closed_at)
        return f"This review is closed: {review.reviewer} {_DONE[review.decision]} it on {when}."
    if (review.closed_at or clock.now()) >= review.expires_at:
        return f"This review expired on {clock.readable(review.expires_at)}."
    return "This review is closed: its run has continued or ended."
