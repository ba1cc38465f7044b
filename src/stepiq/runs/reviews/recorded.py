"""Records decisions about reviews in the audit log."""

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.runs.reviews.records import Answer, Decided, Review
from stepiq.store.database import Session


async def decided(session: Session, review: Review, answer: Answer, *, by: Actor | Decided) -> None:
    """Record a decision about a review, by an account or with a link. The content and the comment are not recorded."""
    await audit.record(
        session,
        By(ActorKind.LINK, review.workspace_id, None, by.reviewer)
        if isinstance(by, Decided)
        else by,
        Action.REVIEW_DECIDED,
        AuditTarget(AuditTargetType.REVIEW, review.id, review.pipeline_name),
        after={
            "decision": answer.decision,
            "is_edited": answer.is_edited,
            "run_id": str(review.run_id),
            "step_id": review.step_id,
            "iteration": review.iteration,
        },
    )
