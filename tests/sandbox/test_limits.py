from stepiq.sandbox import limits


class TestTooLong:
    def test_a_short_limit_can_be_raised(self):
        assert "raise `timeout_seconds` (at most 30)" in limits.too_long(29.5)

    def test_the_longest_limit_cannot(self):
        assert limits.too_long(30.0) == (
            "The code ran longer than 30 s, the longest time limit. Make it do less, or split the step."
        )
