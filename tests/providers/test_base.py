import pytest

from stepiq.providers.base import CallProgress, Cost, Usage


class TestProgress:
    def test_nothing_sent_is_nothing_used(self):
        assert CallProgress().usage() == Usage(0, 0, 0, estimated=True)

    def test_a_request_that_is_not_sent_is_not_counted(self):
        assert CallProgress(input_tokens=5).usage().input_tokens == 0

    @pytest.mark.parametrize("text", ["abc", "\U00012000", "🎉é"])
    def test_an_answer_counts_a_token_for_each_of_its_bytes(self, text: str):
        progress = CallProgress(input_tokens=5, is_sent=True)
        progress.add(text)
        progress.count(text)

        assert progress.usage() == Usage(5, 0, 2 * len(text.encode()), estimated=True)

    def test_an_answer_counts_no_more_than_its_limit(self):
        progress = CallProgress(max_tokens=10)
        progress.add("x" * 41)

        assert progress.usage().output_tokens == 10

    def test_an_answer_that_broke_off_counts_at_least_what_was_reported(self):
        progress = CallProgress(input_tokens=5, is_sent=True, so_far=Usage(7, 2, 30))
        progress.add("x")

        assert progress.usage() == Usage(7, 0, 30, estimated=True)

    def test_what_the_provider_says_goes_before(self):
        progress = CallProgress(input_tokens=5, is_sent=True)
        progress.reported = Usage(7, 2, 1)

        assert progress.usage() == Usage(7, 2, 1)


class TestCost:
    def test_the_total_is_the_sum(self):
        assert Cost(1, 2, 3).total_usd_micros == 6
