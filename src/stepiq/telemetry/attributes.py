"""Attributes in OTLP, and those of this process (its resource)."""

from collections.abc import Mapping, Sequence

from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from stepiq import __version__
from stepiq.core import ids

Value = str | int | float | bool | Sequence[str] | None


def attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    """Attributes, without those that are None."""
    return [
        KeyValue(key=key, value=_any_value(value))
        for key, value in values.items()
        if value is not None
    ]


def _any_value(value: str | float | bool | Sequence[str]) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case _:
            values = [AnyValue(string_value=each) for each in value]
            return AnyValue(array_value=ArrayValue(values=values))


SCOPE = InstrumentationScope(name="stepiq", version=__version__)

_INSTANCE = str(ids.uuid7())


def resource() -> Resource:
    """The attributes that all spans and metrics of this process have."""
    return Resource(
        attributes=attributes(
            {
                "service.name": "stepiq",
                "service.version": __version__,
                "service.instance.id": _INSTANCE,
            }
        )
    )
