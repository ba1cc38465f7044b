"""The base of all models. Classes and fields that newer servers add never make a response invalid."""

from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

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


class Page(ApiModel, Generic[T]):
    """A part of a list."""

    data: list[T]
    next_cursor: str | None = None
    """Fetches the next page. None on the last one."""


@cache
def page_of(kind: type[T]) -> type[Page[T]]:
    """The class of pages with items of a class."""
    pages: Any = Page
    return pages[kind]


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Parses responses of a class, or of a union of classes."""
    return TypeAdapter(kind)
