"""What a file of tests may say."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepiq.core.json import Json
from stepiq.engine.outcomes import FailureCode
from stepiq.store.states import ReviewDecision, StepStatus

MAX_TESTS = 500
NOT_RUN = "not_run"
"""What `expect.steps` says of a step that was never reached."""


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
    decision: Annotated[ReviewDecision, Field(strict=False)] | Literal["timeout"] | None = None
    """What a person says to a review; `timeout`: nothing, in time."""
    comment: str | None = None
    """What they write to it."""


class Expected(_Shape):
    """What is to come of a run. Without `error`, it is to complete."""

    output: Json = None
    """The run's output, exactly."""
    error: str | None = None
    """The code that the run fails with."""
    steps: dict[str, Annotated[StepStatus, Field(strict=False)] | Literal["not_run"]] = {}
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
