"""Content negotiation of responses other than JSON."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Header

from stepiq.web.bodies import JSON_TYPES, YAML_TYPES


def prefers(accept: str | None, media_types: Sequence[str], other: str = JSON_TYPES[0]) -> bool:
    """Whether an `Accept` header contains one of these types and does not prefer the other type to it."""
    weights: dict[str, float] = {}
    for entry in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights[media_type] = max(weights.get(media_type, 0.0), _weight(parameters))
    weight = max((weights.get(name, 0.0) for name in media_types), default=0.0)
    return weight > 0 and weight >= weights.get(other, 0.0)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


async def _wants_yaml(
    accept: Annotated[
        str | None, Header(description="`application/yaml` for the definition's text.")
    ] = None,
) -> bool:
    return prefers(accept, YAML_TYPES)


WantsYaml = Annotated[bool, Depends(_wants_yaml)]
"""Whether the `Accept` header contains a YAML type and does not prefer JSON to it."""
