"""Each text from outside is read or refused, whatever it repeats. `bench/texts.py` measures the time."""

from contextlib import suppress

import pytest

from stepiq.core.errors import StepIQError
from tests.support.outside_texts import READERS, Reader
from tests.support.repeated_texts import REPEATED, repeat

SHORT = 400


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_each_text_is_read_or_refused(name: str):
    reader: Reader = READERS[name]

    for repeated in REPEATED:
        with suppress(StepIQError, ValueError):
            reader.read(repeat(repeated, min(SHORT, reader.longest)))
