"""The body of a webhook: JSON as the public reference describes it, or a message for Slack or Microsoft Teams.

Names and errors in a message are text of users or of models. They cannot mention people, or hide a link behind other
words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stepiq.core import clock, json
from stepiq.core.amounts import duration, ending, money
from stepiq.core.json import Json
from stepiq.language.definitions.targets import ChatService
from stepiq.notify.records import ChatMessage, Delivery, EventName, Occasion
from stepiq.store.states import RunStatus

_LONGEST_NAME = 150
_LONGEST_ERROR = 500
"""Slack refuses texts of more than 3,000 characters, and `&` is sent as five."""
_COLOURS = {RunStatus.COMPLETED: "Good", RunStatus.FAILED: "Attention"}
_CARD = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True, slots=True)
class ChatContent:
    """What a message says, before it is written for a service."""

    pipeline: str
    result: str
    """Such as `failed`."""
    colour: str
    facts: Sequence[tuple[str, str]]
    """Labels and values. The only text of users in them is the id of a step."""
    note: str
    """The error of a failed run, or the text of a test. Empty for a completed run."""
    link: str


def chat_message(service: ChatService, delivery: Delivery, occasion: Occasion, link: str) -> Json:
    """The body of the request for a message."""
    return _WRITERS[service](_content(delivery, occasion, link))


def _content(delivery: Delivery, occasion: Occasion, link: str) -> ChatContent:
    pipeline = _one_line(occasion.pipeline_name, _LONGEST_NAME)
    if delivery.event is EventName.TEST:
        note = _one_line(str(occasion.output), _LONGEST_ERROR)
        return ChatContent(pipeline, "test", "Default", (), note, link)
    error = occasion.error or {}
    facts = [
        ("Duration", _duration(occasion)),
        ("Cost", money(occasion.cost_usd_micros, is_complete=occasion.cost_complete)),
        ("Version", str(delivery.pipeline_version)),
        ("Step", str(error.get("step_id") or "")),
    ]
    note = f"{error.get('code')}: {error.get('message')}" if error else ""
    return ChatContent(
        pipeline,
        ending(str(occasion.status), occasion.failed_steps),
        "Warning" if occasion.failed_steps else _COLOURS.get(occasion.status, "Default"),
        [(label, value) for label, value in facts if value],
        _one_line(note, _LONGEST_ERROR),
        link,
    )


def _slack(content: ChatContent) -> Json:
    title = f"*{_escaped(content.pipeline)}*: {content.result}"
    details = _escaped(" · ".join(f"{label}: {value}" for label, value in content.facts))
    lines = [title, _escaped(content.note), details, f"<{content.link}|Open in stepIQ>"]
    text = "\n".join(line for line in lines if line)
    # `verbatim`: names such as @here in the text stay text.
    shown: Json = {"type": "mrkdwn", "text": text, "verbatim": True}
    return {
        # Notifications show it instead of the block.
        "text": f"{_escaped(content.pipeline)}: {content.result}",
        "blocks": [{"type": "section", "text": shown}],
        "unfurl_links": False,
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(content: ChatContent) -> Json:
    body: list[Json] = [
        # Other elements of a card read Markdown.
        _plain(content.pipeline, weight="Bolder", size="Medium"),
        _plain(content.result, weight="Bolder", color=content.colour),
    ]
    if content.note:
        body.append(_plain(content.note))
    if content.facts:
        facts: list[Json] = [{"title": label, "value": value} for label, value in content.facts]
        body.append({"type": "FactSet", "facts": facts})
    card: Json = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open in stepIQ", "url": content.link}],
    }
    attachment: Json = {"contentType": _CARD, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _plain(text: str, **style: str) -> Json:
    run: dict[str, Json] = {"type": "TextRun", "text": text, **style}
    return {"type": "RichTextBlock", "inlines": [run]}


_WRITERS: dict[ChatService, Callable[[ChatContent], Json]] = {
    ChatService.SLACK: _slack,
    ChatService.TEAMS: _teams,
}


def _one_line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _duration(occasion: Occasion) -> str:
    if occasion.started_at is None or occasion.completed_at is None:
        return ""
    took = occasion.completed_at - occasion.started_at
    return duration(took.total_seconds() * 1_000)


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
        return json.dumps(chat_message(message.service, delivery, occasion, message.link)).encode()
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
