"""Events of the stream of a list of runs."""

from typing import Annotated, Literal

from pydantic import Field

from stepiq.client.base import ApiModel, UnknownEvent
from stepiq.client.models import Run


class RunListStale(ApiModel):
    """Read the list again, because changes may have been missed. The first event of each connection."""

    type: Literal["list.stale"]


class RunListChanged(ApiModel):
    """A run that matches the filter is new or has changed. It is without `input_data` and `output`."""

    type: Literal["run.changed"]
    data: Run


class RunReference(ApiModel):
    """A run, by its id."""

    id: str


class RunListLeft(ApiModel):
    """A run that has changed does not match the filter because of its status or its error code."""

    type: Literal["run.left"]
    data: RunReference


RunListEvent = Annotated[
    RunListStale | RunListChanged | RunListLeft | UnknownEvent, Field(union_mode="left_to_right")
]
