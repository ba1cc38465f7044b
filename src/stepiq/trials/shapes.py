"""What a file of tests may say."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stepiq.core.json import Json
from stepiq.execution.outcomes import FailureCode

MAX_TESTS = 500


class StepEnd(StrEnum):
    """How the last execution of a step ends."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"
    """The run does not reach the step."""


class ReviewEnd(StrEnum):
    """How a review ends."""

    APPROVE = "approve"
    REJECT = "reject"
    TIMEOUT = "timeout"
    """Nobody decides in time."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class GivenEnd(_Shape):
    """How a step ends instead of reaching outside: one of `output`, `outputs`, `error`; of a review, a `decision`."""

    output: Json = None
    """What later steps see of it; of a review, what the person makes of the data."""
    outputs: list[Json] | None = Field(default=None, min_length=1)
    """The same for each of its executions: inside a `for_each` for each item, elsewhere one after the other."""
    error: Annotated[FailureCode, Field(strict=False)] | None = None
    """The code that it fails with."""
    decision: Annotated[ReviewEnd, Field(strict=False)] | None = None
    """How the review ends."""
    comment: str | None = None
    """What they write to it."""


class Expected(_Shape):
    """What is to come of a run. Without `error`, it is to complete."""

    output: Json = None
    """The run's output, exactly."""
    error: str | None = None
    """The code that the run fails with."""
    steps: dict[str, Annotated[StepEnd, Field(strict=False)]] = {}
    """How the last execution of each of these steps ends."""
    check: list[str] = []
    """CEL conditions over `input`, `steps` and `run` (`status`, `output`, `error`), each of which is to hold."""


class CaseShape(_Shape):
    """One run of the pipeline."""

    name: str = Field(min_length=1, max_length=200)
    input: dict[str, Json] = {}
    given: dict[str, GivenEnd] = {}
    """By step id."""
    expect: Expected = Expected()


class FileShape(_Shape):
    """The whole file."""

    tests: list[CaseShape] = Field(min_length=1, max_length=MAX_TESTS)


def fields_at(path: Sequence[str | int]) -> Collection[str]:
    """Names of the fields that can be used where a field has this path."""
    match path:
        case (_,):
            shape = FileShape
        case ("tests", _, _):
            shape = CaseShape
        case ("tests", _, "expect", _):
            shape = Expected
        case ("tests", _, "given", _, _):
            shape = GivenEnd
        case _:
            return ()
    return tuple(shape.model_fields)
