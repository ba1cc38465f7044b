import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.control_characters import escape, escape_json, escape_line
from tests.support.hostile import HOSTILE, controls_in

_TEXTS = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from(HOSTILE))


class TestEscape:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[2J", r"\x1b[2J"),
            ("\x9b2J\x7f", r"\x9b2J\x7f"),
            ("a\u202eb", r"a\u202eb"),
            ("\udc80.yaml", r"\udc80.yaml"),
            ("one\ttwo\nü 漢 🎉", "one\ttwo\nü 漢 🎉"),
            ("one\r\ntwo", "one\ntwo"),
            ("real\rfake", r"real\rfake"),
        ],
    )
    def test_control_characters_are_visible(self, text: str, shown: str):
        assert escape(text) == shown

    @given(_TEXTS)
    def test_none_is_left(self, text: str):
        assert not controls_in(escape(text))

    @given(_TEXTS, st.integers(0, 50))
    def test_none_is_left_of_a_text_in_two_pieces(self, text: str, place: int):
        assert not controls_in(escape(text[:place]) + escape(text[place:]))


class TestEscapeLine:
    def test_a_line_stays_one_line(self):
        assert escape_line("a\nb\tc\r\nd\u2028e") == r"a\nb\tc\r\nd\u2028e"

    @given(_TEXTS)
    def test_none_is_left(self, text: str):
        assert not controls_in(escape_line(text))


class TestEscapeJson:
    @given(_TEXTS)
    def test_the_document_is_equal_and_has_none(self, text: str):
        document = escape_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))

        assert json.loads(document) == {text: [text]}
        assert not controls_in(document)
