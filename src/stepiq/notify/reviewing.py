"""Review emails: the message, and a link to decide without an account."""

import re
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.core import clock
from stepiq.execution.definitions import Definitions, VersionNotFound
from stepiq.execution.records.run import NewReview
from stepiq.language.definitions.step import Step
from stepiq.notify.records import Delivery, MailCall, NewTarget, Unsendable
from stepiq.redaction.masking import Masker
from stepiq.runs.reviews import service as reviews
from stepiq.runs.reviews.errors import ReviewClosed
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder, Review
from stepiq.steps.human_review.spec import ReviewSpec, ReviewTimeout
from stepiq.store.database import Session
from stepiq.store.states import TargetType

_MAX_MESSAGE = 64 * 1024
"""Maximum characters of a message in a mail. The linked page shows all of it."""
_OTHERWISE = {
    ReviewTimeout.FAIL: "the run fails",
    ReviewTimeout.APPROVE: "the review is approved",
    ReviewTimeout.REJECT: "the review is rejected",
}


def targets_of(review: NewReview) -> list[NewTarget]:
    """One target for each assignee, attempted separately."""
    return [
        NewTarget(
            TargetType.EMAIL,
            f"steps.{review.step_id}.assignees[{number}]",
            {"type": "email", "to": address, "review_id": str(review.id), "assignee": number},
        )
        for number, address in enumerate(review.assignees)
    ]


@dataclass(frozen=True, slots=True)
class ReviewMail:
    """Builds the mail to one assignee. The link is created for each attempt and never stored."""

    definitions: Definitions
    links: ReviewLinks

    async def prepare(self, session: Session, delivery: Delivery) -> MailCall | Unsendable:
        """Build what an attempt sends; `Unsendable` if the review is closed or deleted."""
        target = delivery.target
        assert "review_id" in target and "assignee" in target  # noqa: S101, PT018 - `targets` wrote them
        review = await reviews.find(session, UUID(target["review_id"]))
        if review is None:
            return Unsendable("The run has been deleted.")
        if not review.is_open:
            return Unsendable(ReviewClosed(review).message)
        try:
            definition = await self.definitions.get(
                session, delivery.pipeline_id, delivery.pipeline_version
            )
        except VersionNotFound as error:
            return Unsendable(error.message)
        step = next(step for step in definition.every_step if step.id == review.step_id)
        holder = LinkHolder(review.id, target["assignee"])
        address = review.assignees[holder.assignee]
        if await accounts.is_removed_member(session, review.workspace_id, address):
            return Unsendable(f"{address} is no longer a member of the workspace.")
        return MailCall(
            to=address,
            subject=_subject(review.pipeline_name, step.name),
            text=_text(
                delivery,
                review,
                step,
                address=address,
                link=self.links.url(holder),
                otherwise=_otherwise(step, review),
            ),
            shown=delivery.target,
            masker=Masker({}),
            is_confidential=True,
        )


def _text(
    delivery: Delivery, review: Review, step: Step, *, address: str, link: str, otherwise: str
) -> str:
    others = [each for each in review.assignees if each != address]
    also = f"\nAlso sent to: {', '.join(others)}. The first decision counts." if others else ""
    return f"""\
{_shown(review.message.strip())}

Open this link to approve or reject:
{link}

The link works for one decision, which is recorded as made by {address}. Do not forward this email.
Please decide by {clock.readable(review.expires_at)}. If nobody decides by then, {otherwise}.{also}

--\x20
Pipeline: {review.pipeline_name} (version {delivery.pipeline_version})
Step: {step.name}
Run: {review.run_id}
"""


def _subject(pipeline: str, step: str) -> str:
    """The subject. It names the step only if that adds words to the name of the pipeline."""
    is_new = _words(step) - _words(pipeline) - {"review"}
    return f"Review needed: {pipeline} ({step})" if is_new else f"Review needed: {pipeline}"


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", name.casefold()))


def _shown(message: str) -> str:
    if len(message) <= _MAX_MESSAGE:
        return message
    return f"{message[:_MAX_MESSAGE]}\n\n[The message is longer. Open the link to read all of it.]"


def _otherwise(step: Step, review: Review) -> str:
    spec = step.spec
    assert isinstance(spec, ReviewSpec)  # noqa: S101 - versions never change
    if review.expires_at - review.requested_at < spec.wait:
        return "the run fails, because its own time limit ends then"
    return _OTHERWISE[spec.on_timeout]
