"""Emails about a run: subject, text, and one attempt to send."""

from dataclasses import dataclass
from datetime import datetime

from stepiq.core import clock
from stepiq.core.amounts import ending
from stepiq.core.json import Json
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.observability import logging
from stepiq.language import readable_json
from stepiq.notify.records import Delivery, EventName, Occasion, Verdict
from stepiq.store.states import RunStatus

log = logging.get(__name__)

_MAX_OUTPUT = 256 * 1024
"""Maximum characters of an output in a mail. Many mail servers accept at most a few MiB."""


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of pages about a run and its delivery."""

    run: str
    """The page of the run, for people with an account."""
    delivery: str
    """The page of the delivery, for people with an account."""
    link: str
    """Link to a page that shows a failure without a credential."""
    until: datetime
    """When the link expires."""


def subject(delivery: Delivery, occasion: Occasion, rendered: str | None) -> str:
    """The subject of a mail. `rendered` is the subject set by the target, or None."""
    if delivery.event is not EventName.TEST:
        ended = ending(str(occasion.status), occasion.failed_steps)
        return rendered or f"{occasion.pipeline_name}: {ended}"
    # Without a run, references in a template can render as empty text.
    return f"[Test] {rendered}" if rendered else f"{occasion.pipeline_name}: test"


def has_link(delivery: Delivery, occasion: Occasion) -> bool:
    """Whether the text of a mail contains `Places.link`, which needs no credential."""
    return delivery.event is not EventName.TEST and occasion.status is RunStatus.FAILED


async def text(delivery: Delivery, occasion: Occasion, places: Places) -> str:
    """The text of a mail: the output of a completed run, or the error of a failed run."""
    if delivery.event is EventName.TEST:
        where = _where(delivery, occasion)
        return f"{occasion.output}\n\n-- \n{where}\nDelivery: {places.delivery}\n"
    if has_link(delivery, occasion):
        content = _failure(occasion, places)
    else:
        content = await _shown(occasion.output, places)
    ended = occasion.completed_at
    at = (
        f", {ending(str(occasion.status), occasion.failed_steps)} on {clock.readable(ended)}"
        if ended is not None
        else ""
    )
    return f"{content}\n\n-- \n{_where(delivery, occasion)}\nRun: {occasion.run_id}{at}\n"


def _failure(occasion: Occasion, places: Places) -> str:
    error: dict[str, Json] = occasion.error or {}
    return f"""\
The run failed ({error.get("code")}).

{error.get("message")}

See all steps of the run:
{places.link}

The link works until {clock.readable(places.until)} for anyone who has it. The page shows no inputs and no outputs.

With an account, see everything and retry the run:
{places.run}"""


async def _shown(output: Json, places: Places) -> str:
    if output is None:
        return "The run completed without an output."
    if isinstance(output, str):
        shown = output
    else:
        shown = await readable_json.render(output, _MAX_OUTPUT)
    if len(shown) <= _MAX_OUTPUT:
        return shown
    return f"{shown[:_MAX_OUTPUT]}\n\n[The output is longer. To read all of it, open {places.run}]"


def _where(delivery: Delivery, occasion: Occasion) -> str:
    return f"Pipeline: {occasion.pipeline_name} (version {delivery.pipeline_version})"


async def send(mailer: Mailer, message: MailMessage, *, is_confidential: bool = False) -> Verdict:
    """Send a mail. The verdict is retryable unless the mail server reports a permanent failure.

    `is_confidential`: the mail contains a link, so the verdict omits the mail server's reply.
    """
    try:
        await mailer.send(message)
    except MailUnsent as error:
        log.warning("email_unsent", reason=error.confidential_reason)
        reason = error.reason_for_users(has_link=is_confidential)
        return Verdict(is_delivered=False, is_retryable=not error.is_permanent, error=reason)
    return Verdict(is_delivered=True)
