"""Each text from outside is read or refused, whatever it repeats. `bench/texts.py` measures the time."""

import re
from contextlib import suppress
from pathlib import Path

import pytest

from stepiq.core.errors import StepIQError
from tests.support.outside_texts import READERS, Reader
from tests.support.repeated_texts import REPEATED, repeat

SHORT = 400
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
ROW = re.compile(r"\| (.+?) \| ([0-9,]+) \| (loop|pieces|thread|process) \|")


def test_the_docs_list_every_reader():
    listed = {
        name: (int(longest.replace(",", "")), place)
        for name, longest, place in ROW.findall(PAGE.read_text())
    }

    assert listed == {name: (reader.longest, reader.place) for name, reader in READERS.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_each_text_is_read_or_refused(name: str):
    reader: Reader = READERS[name]

    for repeated in REPEATED:
        with suppress(StepIQError, ValueError):
            reader.read(repeat(repeated, min(SHORT, reader.longest)))
