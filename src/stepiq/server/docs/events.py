"""JSON Schema of events, from their types in `execution.records.events`."""

from collections.abc import Iterator
from inspect import getdoc
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter
from typing_extensions import get_original_bases, is_typeddict

from stepiq.execution.records.events import Event, EventType, Origin, RecordedEvent

_PREFIX = "#/components/schemas/"
_RECORDED: tuple[type, ...] = get_args(RecordedEvent)
_ALL: tuple[type, ...] = get_args(Event)

Schema = dict[str, Any]


def meanings() -> dict[EventType, str]:
    """What each type of event means."""
    found = {_type(event): getdoc(event) or "" for event in _ALL}
    return {kind: found[kind] for kind in EventType}


def components() -> dict[str, Schema]:
    """The schemas of events by name: `EventView` for the log, `StreamedEvent` for the stream, and their parts."""
    made: dict[str, Schema] = {
        "EventView": _union(_RECORDED, "One event of a run's log, as its stream sent it."),
        "StreamedEvent": _union(
            _ALL,
            "One event of a run's stream, after decoding: `type` is the field `event`, `seq` is the field `id`, and `data` is the "
            "field `data`, which is JSON.",
        ),
    }
    for event in _ALL:
        model = get_type_hints(event)["data"]
        is_recorded = event in _RECORDED
        data, nested = _data(model, is_recorded=is_recorded)
        data["description"] = f"The data of `{_type(event)}`."
        made |= nested
        made[model.__name__] = data
        made[event.__name__] = _event(event, model.__name__, is_recorded=is_recorded)
    return made


def data_schemas() -> dict[EventType, Schema]:
    """The schema of each type's data."""
    made = components()
    return {_type(event): made[get_type_hints(event)["data"].__name__] for event in _ALL}


def _type(event: type) -> EventType:
    (name,) = get_args(get_type_hints(event)["type"])
    return EventType(name)


def _union(events: tuple[type, ...], description: str) -> Schema:
    mapping = {str(_type(event)): _PREFIX + event.__name__ for event in events}
    return {
        "description": description,
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _event(event: type, data: str, *, is_recorded: bool) -> Schema:
    number: Schema = {"seq": {"type": "integer"}} if is_recorded else {}
    properties: Schema = {
        **number,
        "type": {"type": "string", "const": str(_type(event))},
        "data": {"$ref": _PREFIX + data},
    }
    return {
        "type": "object",
        "description": getdoc(event),
        "properties": properties,
        "required": list(properties),
    }


def _data(model: type, *, is_recorded: bool) -> tuple[Schema, dict[str, Schema]]:
    """The schema of an event's data as it is sent, and the schemas that it refers to."""
    properties: dict[str, Schema] = {}
    required: list[str] = []
    nested: dict[str, Schema] = {}
    for part in (Origin, *_parts(model)):
        found = TypeAdapter[Any](part).json_schema(ref_template=_PREFIX + "{model}")
        nested |= found.pop("$defs", {})
        # A part comes after its bases. Only the class that declares a field has its description.
        for name, field in found["properties"].items():
            field.pop("title", None)
            properties.setdefault(name, field)
        required += [name for name in found.get("required", ()) if name not in required]
    if is_recorded:
        required.insert(1, "seq")
    else:
        del properties["seq"]
    names = sorted(properties, key=lambda name: name not in required)
    data: Schema = {
        "type": "object",
        "properties": {name: properties[name] for name in names},
        "required": required,
    }
    return data, nested


def _parts(model: type) -> Iterator[type]:
    for base in get_original_bases(model):
        if is_typeddict(base):
            yield from _parts(base)
    yield model
