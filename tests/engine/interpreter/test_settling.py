from types import SimpleNamespace
from typing import Any, cast

import pytest

from stepiq.engine.interpreter import settling
from stepiq.engine.outcomes import Failed, FailureCode


async def test_an_output_that_cannot_be_written_is_nested_too_deep():
    output: list[Any] = []
    for _ in range(100_000):
        output = [output]

    kept, text = await settling._kept(cast(Any, None), cast(Any, None), output)

    assert isinstance(kept, Failed)
    assert (kept.code, text) == (FailureCode.OUTPUT_TOO_LARGE, None)
    assert "nested more than" in kept.message


@pytest.mark.parametrize(
    ("size", "is_unfit"),
    [(settling.STEP_OUTPUT_BYTES, False), (settling.STEP_OUTPUT_BYTES + 1, True)],
)
def test_an_output_has_a_limit(size: int, is_unfit: bool):
    course = SimpleNamespace(output_bytes=0)

    assert (settling._unfit(cast(Any, course), size) is not None) == is_unfit
