from types import SimpleNamespace
from typing import Any, cast

import pytest

from stepiq.execution.interpreter import recording
from stepiq.execution.outcomes import Failed, FailureCode


async def test_an_output_that_cannot_be_written_is_nested_too_deep():
    output: list[Any] = []
    for _ in range(100_000):
        output = [output]

    kept, text = await recording._kept(cast(Any, None), cast(Any, None), output)

    assert isinstance(kept, Failed)
    assert (kept.code, text) == (FailureCode.OUTPUT_TOO_LARGE, None)
    assert "nested more than" in kept.message


@pytest.mark.parametrize(
    ("size", "is_unfit"),
    [(recording.STEP_OUTPUT_BYTES, False), (recording.STEP_OUTPUT_BYTES + 1, True)],
)
def test_an_output_has_a_limit(size: int, is_unfit: bool):
    run_context = SimpleNamespace(output_bytes=0)

    assert (recording._unfit(cast(Any, run_context), size) is not None) == is_unfit


def test_an_output_that_exceeds_the_limit_of_the_run_leaves_room_for_smaller_ones():
    run_context = cast(Any, SimpleNamespace(output_bytes=recording.RUN_OUTPUT_BYTES - 10))

    refused = recording._unfit(run_context, 11)

    assert refused is not None
    assert recording._unfit(run_context, 10) is None
