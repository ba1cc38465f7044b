"""The format of test files."""

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
    """No decision is made in time."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class GivenEnd(_Shape):
    """The result of a step that is not executed: `output`, `outputs` or `error`; for a review, a `decision`."""

    output: Json = None
    """The step's output; for a review, the data as changed by the reviewer."""
    outputs: list[Json] | None = Field(default=None, min_length=1)
    """One output per execution: by item inside a `for_each`, otherwise in order of execution."""
    error: Annotated[FailureCode, Field(strict=False)] | None = None
    """The code with which the step fails."""
    decision: Annotated[ReviewEnd, Field(strict=False)] | None = None
    """How the review ends."""
    comment: str | None = None
    """The reviewer's comment."""


class Expected(_Shape):
    """The expected result of a run. Without `error`, the run must complete."""

    output: Json = None
    """The exact output of the run."""
    error: str | None = None
    """The code with which the run fails."""
    steps: dict[str, Annotated[StepEnd, Field(strict=False)]] = {}
    """How the last execution of each of these steps ends."""
    check: list[str] = []
    """CEL conditions over `input`, `steps` and `run` (`status`, `output`, `error`), all of which must be true."""


class CaseShape(_Shape):
    """One run of the pipeline."""

    name: str = Field(min_length=1, max_length=200)
    """Name of the test."""
    input: dict[str, Json] = {}
    """Input of the run. It is checked like the input of any run."""
    given: dict[str, GivenEnd] = {}
    """Results of steps that are not executed, by step id."""
    expect: Expected = Expected()
    """The expected result of the run."""


class FileShape(_Shape):
    """The whole file."""

    tests: list[CaseShape] = Field(min_length=1, max_length=MAX_TESTS)
    """The tests. Each runs the pipeline once."""


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
