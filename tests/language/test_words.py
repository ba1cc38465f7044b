import re

import pytest

from stepiq.language import words
from stepiq.language.words import suggest


def test_there_may_be_nothing_to_suggest():
    assert suggest("name", []) == "No names are defined here."


@pytest.mark.parametrize("note", words._NOTES.values(), ids=lambda note: note.text)
def test_a_note_announces_the_fields_that_it_says_to_write(note):
    shown = re.findall(r"`([a-z_]+)(?:: [^`]+)?`", note.text)

    assert note.announced == (set() if note.is_wrapper else set(shown))
