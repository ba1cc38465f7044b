import pytest

from stepiq.providers.base import CallProgress, Cost, Usage, tokens_in


class TestProgress:
    def test_nothing_sent_is_nothing_used(self):
        assert CallProgress().usage() == Usage(0, 0, 0, estimated=True)

    def test_many_small_pieces_count_each(self):
        progress = CallProgress(input_chars=5)
        for _ in range(3):
            progress.add("a")

        assert progress.usage() == Usage(2, 0, 3, estimated=True)

    def test_one_large_piece_counts_by_its_length(self):
        progress = CallProgress()
        progress.add("x" * 41)

        assert progress.usage().output_tokens == 11

    def test_what_the_provider_says_goes_before(self):
        progress = CallProgress(input_chars=5)
        progress.reported = Usage(7, 2, 1)

        assert progress.usage() == Usage(7, 2, 1)


class TestTokensIn:
    @pytest.mark.parametrize(("chars", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2)])
    def test_it_rounds_up(self, chars: int, tokens: int):
        assert tokens_in(chars) == tokens


class TestCost:
    def test_the_total_is_the_sum(self):
        assert Cost(1, 2, 3).total_usd_micros == 6
