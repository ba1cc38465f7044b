"""The body of a webhook, as the public reference describes it."""

from datetime import datetime

from stepiq.core import clock, json
from stepiq.core.json import Json
from stepiq.notify import chat
from stepiq.notify.calls import ChatMessage
from stepiq.notify.records import Delivery, EventName, Occasion
from stepiq.store.states import RunStatus


def body(
    delivery: Delivery,
    occasion: Occasion,
    message: ChatMessage | None,
    *,
    attempt: int,
    sent_at: datetime,
) -> bytes:
    """The JSON text of one attempt; these bytes are signed and sent.

    The body of a failed run contains its `error`. A test event has `"test": true` and describes a run that does not
    exist. With `message`, the text is a message for a chat service instead.
    """
    if message is not None:
        return json.dumps(chat.message(message.service, delivery, occasion, message.link)).encode()
    content: dict[str, Json] = {"event": str(delivery.event)}
    if delivery.event is EventName.TEST:
        content["test"] = True
    content |= {
        "pipeline": {
            "id": str(delivery.pipeline_id),
            "version": delivery.pipeline_version,
            "name": occasion.pipeline_name,
        },
        "run": {
            "id": str(occasion.run_id),
            "status": str(occasion.status),
            "trigger_type": str(occasion.trigger_type),
            "started_at": _iso(occasion.started_at),
            "completed_at": _iso(occasion.completed_at),
            **({"failed_steps": occasion.failed_steps} if occasion.failed_steps else {}),
        },
        "input": occasion.input_data,
        "output": occasion.output,
    }
    if occasion.status is RunStatus.FAILED:
        content["error"] = occasion.error
    content["meta"] = {"sent_at": clock.iso(sent_at), "attempt": attempt}
    return json.dumps(content).encode()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else clock.iso(moment)
