from hypothesis import given
from hypothesis import strategies as st

from stepiq.sandbox.interpreters.output import Printed
from stepiq.sandbox.limits import LOG_CUT, MAX_LOG_BYTES


def lines_of(*texts: str) -> list[str]:
    sent: list[str] = []
    printed = Printed(sent.append)
    for text in texts:
        printed.write(text)
    printed.finish()
    return [line for lines in sent for line in lines.split("\n")]


class TestWrite:
    def test_lines_are_put_together_and_taken_apart(self):
        assert lines_of("a", "b\nc\n\nd", "e\n") == ["ab", "c", "", "de"]

    def test_a_last_line_needs_no_end(self):
        assert lines_of("a\nb") == ["a", "b"]

    def test_nothing_printed_is_nothing(self):
        assert lines_of() == []

    def test_an_empty_line_is_one(self):
        assert lines_of("\n") == [""]

    def test_exactly_the_limit_is_kept_whole(self):
        text = "x" * (MAX_LOG_BYTES - 1)

        assert lines_of(text + "\n") == [text]

    def test_a_byte_more_is_told(self):
        text = "x" * MAX_LOG_BYTES

        assert lines_of(text + "\n") == [text, LOG_CUT]

    def test_what_comes_after_the_limit_is_dropped(self):
        assert lines_of("x" * MAX_LOG_BYTES, "y", "z\n") == ["x" * MAX_LOG_BYTES, LOG_CUT]

    def test_a_character_is_not_cut_in_two(self):
        kept, cut = lines_of("é" * MAX_LOG_BYTES)

        assert kept == "é" * (MAX_LOG_BYTES // 2)
        assert cut == LOG_CUT

    @given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=20))
    def test_short_prints_come_out_as_they_went_in(self, texts: list[str]):
        whole = "".join(texts)
        expected = whole.split("\n")
        if expected[-1] == "":
            expected.pop()

        assert lines_of(*texts) == expected
