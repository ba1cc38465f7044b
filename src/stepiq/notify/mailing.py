"""Mail about a run: what it says, and one attempt to hand it over."""

import json as readable_json

from stepiq.core.json import Json
from stepiq.core.mail import Mailer, MailUnsent, Message
from stepiq.notify.records import Delivery, EventName, Occasion, Verdict
from stepiq.store.states import RunStatus

_MAX_OUTPUT = 256 * 1024
"""Characters of an output that a mail holds; many mail servers take no more than a few MiB."""


def default_subject(delivery: Delivery, occasion: Occasion) -> str:
    """The subject of a target that gives none."""
    if delivery.event is EventName.TEST:
        return f"{occasion.pipeline_name}: test"
    return f"{occasion.pipeline_name}: {occasion.status}"


def text(delivery: Delivery, occasion: Occasion, run_url: str) -> str:
    """What a mail says: the output of a completed run as it is, or why a run failed."""
    if delivery.event is EventName.TEST:
        return f"{occasion.output}\n\n{_where(delivery, occasion)}"
    told = _failure(occasion) if occasion.status is RunStatus.FAILED else _shown(occasion.output)
    return f"{told}\n\n-- \n{_where(delivery, occasion)}\nRun: {occasion.run_id}\n{run_url}\n"


def _failure(occasion: Occasion) -> str:
    error: dict[str, Json] = occasion.error or {}
    step = error.get("step_id")
    place = f" at step `{step}`" if step else ""
    return f"The run failed{place}: {error.get('code')}\n\n{error.get('message')}"


def _shown(output: Json) -> str:
    if output is None:
        return "The run completed without an output."
    shown = output
    if not isinstance(output, str):
        shown = readable_json.dumps(output, ensure_ascii=False, indent=2)
    if len(shown) <= _MAX_OUTPUT:
        return shown
    return f"{shown[:_MAX_OUTPUT]}\n\n[The output goes on: read it at the address below.]"


def _where(delivery: Delivery, occasion: Occasion) -> str:
    return f"Pipeline: {occasion.pipeline_name} (version {delivery.pipeline_version})"


async def send(mailer: Mailer, message: Message, *, is_confidential: bool = False) -> Verdict:
    """Hand a mail over. Only what the mail server calls permanent is not worth another attempt.

    Args:
        mailer: hands it over.
        message: the mail.
        is_confidential: leaves the words of a server that refuses it out of the verdict: filters quote what they refuse.
    """
    try:
        await mailer.send(message)
    except MailUnsent as error:
        reason = error.message
        if is_confidential and error.reply is not None:
            reason = f"The mail server refused it with {error.reply}. Its words are not kept: they may quote the link."
        return Verdict(is_delivered=False, is_retryable=not error.is_permanent, error=reason)
    return Verdict(is_delivered=True)
