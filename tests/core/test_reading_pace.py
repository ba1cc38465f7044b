"""The streams of a process are read at a limited pace, of which each owner that reads has the same share."""

import pytest

from stepiq.providers.bounds import ReadingPace


class Reads:
    """Reads of a process that reads ten times per second. Its time stands still unless a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.pace = ReadingPace(10, saved_seconds=0.2, longest_seconds=4, now=lambda: self.seconds)

    def of(self, owner: str, number: int) -> list[float]:
        """The pauses after so many reads at this moment."""
        return [round(self.pace.read(owner), 6) for _ in range(number)]


class TestReadingPace:
    def test_the_first_reads_of_an_owner_need_no_pause(self):
        assert Reads().of("a", 2) == [0, 0]

    def test_the_streams_of_an_owner_wait_for_each_other(self):
        reads = Reads()

        assert reads.of("a", 5) == [0, 0, 0.1, 0.2, 0.3]

    def test_few_reads_need_no_pause(self):
        reads = Reads()
        pauses: list[float] = []

        for _ in range(50):
            pauses += reads.of("a", 1)
            reads.seconds += 0.1

        assert max(pauses) == 0

    def test_owners_have_equal_shares(self):
        reads = Reads()
        reads.of("a", 1)
        reads.of("b", 1)

        assert reads.of("a", 5)[-1] == pytest.approx(0.9)
        assert reads.of("b", 5)[-1] == pytest.approx(1.0)

    def test_the_streams_of_others_do_not_delay_a_single_one(self):
        reads = Reads()
        reads.of("a", 1_000)

        assert reads.of("b", 1) == [0]

    def test_an_owner_that_no_longer_reads_has_no_share(self):
        reads = Reads()
        reads.of("silent", 2)
        reads.seconds += 2

        assert reads.of("a", 3)[-1] == pytest.approx(0.1)

    def test_no_stream_waits_longer_than_the_longest_time(self):
        reads = Reads()

        assert reads.of("a", 1_000)[-1] == 4

    def test_owners_that_no_longer_read_are_not_remembered(self):
        reads = Reads()
        for number in range(100):
            reads.of(f"owner {number}", 1)

        reads.seconds += 6
        reads.of("a", 1)

        assert list(reads.pace._free_at) == ["a"]
