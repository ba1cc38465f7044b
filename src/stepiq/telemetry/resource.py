"""Describes this process to OpenTelemetry."""

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from stepiq import __version__
from stepiq.core import ids
from stepiq.telemetry.attributes import attributes

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
