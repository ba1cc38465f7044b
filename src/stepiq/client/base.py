"""The base of all models. Classes and fields that newer servers add never make a response invalid."""

from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema, from_json

from stepiq.client.errors import ResponseInvalidError
from stepiq.client.sse import ServerSentEvent

T = TypeVar("T")

Json = Any
"""A JSON value. The pipeline decides its shape."""


class ApiModel(BaseModel):
    """An object of a response. Fields that this version does not know are in `model_extra`."""

    model_config = ConfigDict(
        extra="allow",
        # Most programs use a few of the models.
        defer_build=True,
        # Fields such as `model_context_window`.
        protected_namespaces=(),
    )


class OpenEnum:
    """In a response, accept values that a newer server adds to an enumeration."""

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.str_schema()


OPEN = OpenEnum()


class UnknownEvent(ApiModel):
    """An event that a newer server has added."""

    type: str
    data: Any = None
    seq: int | None = None


class ListPage(ApiModel, Generic[T]):
    """A part of a list."""

    data: list[T]
    next_cursor: str | None = None
    """Fetches the next page. None on the last one."""


@cache
def page_of(kind: Any) -> type[ListPage[Any]]:
    """The class of pages with items of a class."""
    pages: Any = ListPage
    return pages[kind]


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Parses responses of a class, or of a union of classes."""
    return TypeAdapter(kind)


@cache
def adapter_of_first(kinds: tuple[Any, ...]) -> TypeAdapter[Any]:
    """Parses responses of the first class that fits."""
    annotated: Any = Annotated
    union: Any = Union
    return TypeAdapter(annotated[union[kinds], Field(union_mode="left_to_right")])


def number_of(received: ServerSentEvent) -> int | None:
    """The number of an event of a run. None if it has none.

    Raises:
        ResponseInvalidError: its id is not a number.
    """
    try:
        return int(received.id) if received.id else None
    except ValueError:
        raise ResponseInvalidError(
            f"An event is not as expected: its id is not a number: {received.id!r}."
        ) from None


def event_of(adapter: TypeAdapter[T], received: ServerSentEvent, **fields: Any) -> T:
    """An event of a stream as an object of the library.

    Raises:
        ResponseInvalidError: it has another shape.
    """
    try:
        data = from_json(received.data)
        return adapter.validate_python({"type": received.type, "data": data, **fields})
    except ValueError:
        raise ResponseInvalidError(
            f"An event is not as expected: the data of {received.type!r} is invalid."
        ) from None
