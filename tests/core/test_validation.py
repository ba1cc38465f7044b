from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from stepiq.core.validation import sentence, unknown


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


class Inner(BaseModel):
    model_config = ConfigDict(strict=True)


class Shape(BaseModel):
    model_config = ConfigDict(strict=True)

    needed: int
    flag: bool = False
    count: Annotated[int, Field(ge=1, lt=10)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1
    text: Annotated[str, Field(min_length=1, max_length=5)] = "x"
    code: Annotated[str, Field(min_length=2, pattern="^[a-z]+$")] = "xx"
    items: Annotated[list[int], Field(min_length=2, max_length=3)] = []
    inner: Inner = Inner()
    facts: dict[str, int] = {}
    id: Annotated[UUID | None, Field(strict=False)] = None
    at: Annotated[AwareDatetime | None, Field(strict=False)] = None
    color: Annotated[Color, Field(strict=False)] = Color.RED
    mode: Literal["on"] = "on"
    even: Annotated[int, AfterValidator(_even)] = 2


def said(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Shape.model_validate({"needed": 1, **values})
    (entry,) = caught.value.errors()
    return sentence(entry)


class TestSentence:
    @pytest.mark.parametrize(
        ("field", "value", "expected"),
        [
            ("needed", "1", "Must be an integer, such as 3."),
            ("flag", "yes", "Must be true or false."),
            ("count", 0, "Must be at least 1."),
            ("count", 10, "Must be less than 10."),
            ("share", 0.0, "Must be greater than 0.0."),
            ("share", 2.0, "Must be at most 1.0."),
            ("share", "x", "Must be a number, such as 0.5."),
            ("text", 1, 'Must be a string, such as "text".'),
            ("text", "", "Must not be empty."),
            ("text", "abcdef", "Must have at most 5 characters."),
            ("code", "a", "Must have at least 2 characters."),
            ("code", "A1", "Must match the pattern `^[a-z]+$`."),
            ("items", 1, "Must be a list."),
            ("items", [1], "Must have at least 2 items."),
            ("items", [1] * 4, "Must have at most 3 items."),
            ("inner", [1], 'Must be an object, such as {"name": "value"}.'),
            ("facts", "x", 'Must be an object, such as {"name": "value"}.'),
            ("color", "rde", "Must be `red` or `blue`. Did you mean `red`?"),
            ("color", 7, "Must be `red` or `blue`."),
            ("mode", "off", "Must be `on`."),
            ("even", 3, "Must be even."),
        ],
    )
    def test_it_says_how_to_correct_a_value(self, field: str, value: object, expected: str):
        assert said(**{field: value}) == expected

    def test_an_id_and_a_time_have_examples(self):
        assert said(id="x").startswith("Must be an id, such as 0192f0c5-")
        assert said(at="now") == (
            "Must be an ISO 8601 time with a time zone, such as 2030-01-31T12:00:00Z."
        )

    def test_what_is_missing_is_required(self):
        with pytest.raises(ValidationError) as caught:
            Shape.model_validate({})

        assert [sentence(entry) for entry in caught.value.errors()] == ["This field is required."]


class TestUnknown:
    def test_the_nearest_name_and_all_names_are_listed(self):
        assert unknown("field", "tag", ["name", "tags"]) == (
            "Unknown field. Did you mean `tags`? Allowed: `name`, `tags`."
        )

    def test_many_names_are_cut(self):
        names = [f"n{number}" for number in range(30)]

        assert unknown("field", "zzz", names).endswith("`n19`, ….")
