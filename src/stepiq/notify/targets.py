"""The targets of a definition that an event is sent to, and their paths."""

import re
from collections.abc import Sequence

from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.targets import DeliveryTarget, EmailTarget, WebhookTarget
from stepiq.notify.records import EventName, NewTarget, ShownTarget
from stepiq.store.states import TargetType

_DELIVER = "output.deliver"
_ON_SUCCESS = "notifications.on_success"
_ON_FAILURE = "notifications.on_failure"
_OF_EVENT = {
    EventName.COMPLETED: (_DELIVER, _ON_SUCCESS),
    EventName.FAILED: (_ON_FAILURE,),
    EventName.TEST: (_DELIVER, _ON_SUCCESS, _ON_FAILURE),
}
_PATH = re.compile(r"([a-z_.]+)\[(\d+)\](?:\.to\[(\d+)\])?")


def of_event(definition: Definition, event: EventName) -> list[NewTarget]:
    """The targets of an event. Each address of a mail is a separate target, attempted separately."""
    found: list[NewTarget] = []
    for place in _OF_EVENT[event]:
        for index, target in enumerate(_list(definition, place)):
            path = f"{place}[{index}]"
            if isinstance(target, WebhookTarget):
                # The template's source is shown until an attempt has rendered it.
                shown: ShownTarget = {"type": "webhook", "url": target.url.source}
                found.append(NewTarget(TargetType.WEBHOOK, path, shown))
            elif isinstance(target, EmailTarget):
                found += [
                    NewTarget(
                        TargetType.EMAIL, f"{path}.to[{number}]", {"type": "email", "to": address}
                    )
                    for number, address in enumerate(target.to)
                ]
    return found


def find(definition: Definition, path: str) -> tuple[WebhookTarget | EmailTarget, str | None]:
    """The target at a path. For a mail, also the address that the path selects."""
    match = _PATH.fullmatch(path)
    assert match is not None  # noqa: S101 - `of_event` wrote it
    target = _list(definition, match[1])[int(match[2])]
    assert isinstance(target, WebhookTarget | EmailTarget)  # noqa: S101 - and versions never change
    address = target.to[int(match[3])] if isinstance(target, EmailTarget) else None
    return target, address


def _list(definition: Definition, place: str) -> Sequence[DeliveryTarget]:
    match place:
        case "output.deliver":
            return definition.deliver
        case "notifications.on_success":
            return definition.on_success
        case _:
            return definition.on_failure
