from stepiq.sandbox import frames, limits
from stepiq.sandbox.interpreters import output


class TestResult:
    def test_json_is_passed_on(self):
        ending = output.result('{"a":[1,2.5]}')

        assert (ending.kind, ending.text) == (frames.RESULT, '{"a":[1,2.5]}')

    def test_its_limit_counts_bytes(self):
        ending = output.result(f'"{"é" * (limits.MAX_OUTPUT_BYTES // 2)}"')

        assert (ending.kind, ending.text) == (frames.LIMIT, limits.OUTPUT_TOO_LARGE)


class TestError:
    def test_it_begins_with_the_line(self):
        assert output.error("Oh.", 3).text == "Line 3 of the code: Oh."

    def test_a_long_message_is_cut(self):
        text = output.error("x" * 10_000).text

        assert len(text) == limits.MAX_MESSAGE_CHARACTERS
        assert text.endswith("x…")

    def test_half_of_a_surrogate_pair_does_not_keep_it_from_leaving(self):
        assert output.error("\ud800").pack() == frames.pack(frames.ERROR, b"?")
