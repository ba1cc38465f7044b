"""Reads the recipients of a run's result: `output.deliver` and `notifications`."""

from collections.abc import Sequence
from typing import cast

from stepiq.core.json import Json
from stepiq.language.data import is_object, kind_of
from stepiq.language.definitions.targets import (
    ApiTarget,
    ChatService,
    DeliveryTarget,
    EmailTarget,
    NotificationTarget,
    SlackTarget,
    TeamsTarget,
    WebhookTarget,
)
from stepiq.language.fields import description as fields
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.description import Field, FieldObject
from stepiq.language.fields.reader import FieldReader, Report, entry_correction
from stepiq.language.fields.schema import Node, reference, words
from stepiq.language.places import Path

_TARGET = "{type: email, to: team@example.com}"
MAX_TARGETS = 10
"""Most targets in one list."""
_KINDS: dict[str, type[FieldObject]] = {
    "webhook": WebhookTarget,
    "email": EmailTarget,
    "slack": SlackTarget,
    "teams": TeamsTarget,
    "api": ApiTarget,
}
DELIVER_TYPES = tuple(_KINDS)
NOTIFICATION_TYPES = ("webhook", "email", "slack", "teams")


def definitions() -> dict[str, Node]:
    """The definitions that `output` and `notifications` refer to."""
    return {
        "deliver_target": _node(DELIVER_TYPES),
        "notification_target": _node(NOTIFICATION_TYPES),
        **{
            f"{name}_target": nodes.mapping(
                *kind.words, {"type": {}, **fields.nodes_of(kind)}, fields.needed_by(kind)
            )
            for name, kind in _KINDS.items()
        },
    }


def _node(types: Sequence[str]) -> Node:
    meanings = {name: _KINDS[name].words[1] for name in types}
    return {
        **words("Target", "A receiver of a message about the end of a run."),
        "type": "object",
        "properties": {"type": fields.choice("Type", "How the message is sent.", meanings).node},
        "required": ["type"],
        **nodes.by_type({name: reference(f"{name}_target") for name in types}),
    }


def deliver() -> Field[tuple[DeliveryTarget, ...]]:
    """The targets of `output.deliver`."""
    return _targets(
        "Deliver", "Where the output of a completed run is sent.", DELIVER_TYPES, "deliver_target"
    )


def notifications(end: str) -> Field[tuple[NotificationTarget, ...]]:
    """The targets of `notifications` for the runs that are `completed` or `failed`."""
    description = f"Where a message about {end} runs is sent."
    found = _targets(f"On {end}", description, NOTIFICATION_TYPES, "notification_target")
    return cast("Field[tuple[NotificationTarget, ...]]", found)


def _targets(
    title: str, description: str, types: Sequence[str], name: str
) -> Field[tuple[DeliveryTarget, ...]]:
    def read(reader: FieldReader, name: str) -> tuple[DeliveryTarget, ...]:
        entries = reader.items(name, 0, MAX_TARGETS) or []
        targets = [
            _read_target(reader.draft, (*reader.path, name, index), entry, types)
            for index, entry in enumerate(entries)
        ]
        return tuple(target for target in targets if target is not None)

    return Field(nodes.array(title, description, reference(name), 0, MAX_TARGETS), read)


def _read_target(
    draft: Report, path: Path, data: Json, types: Sequence[str]
) -> DeliveryTarget | None:
    if not is_object(data):
        message = f"A target must be an object with a `type`; it is {kind_of(data)}.{entry_correction(data, _TARGET)}"
        draft.refuse(path, "wrong_type", message)
        return None
    # The allowed fields depend on the type, so the type is read first.
    probe = FieldReader(draft, path, {"type": data.get("type")}, ("type",))
    if not probe.require("type", "type: email"):
        return None
    written = data["type"]
    if isinstance(written, str) and written in _KINDS and written not in types:
        message = (
            f"`type: {written}` is only allowed in `output.deliver`. "
            "Use `email`, `slack`, `teams` or `webhook`."
        )
        draft.refuse((*path, "type"), "not_allowed", message)
        return None
    kind = fields.read_word(probe, "type", types, types)
    if kind is None:
        return None
    known = {"type", *fields.nodes_of(_KINDS[kind])}
    target = fields.read(_KINDS[kind], FieldReader(draft, path, data, known))
    if isinstance(target, SlackTarget | TeamsTarget):
        return WebhookTarget(target.url, None, chat=ChatService(kind))
    return cast("DeliveryTarget | None", target)
