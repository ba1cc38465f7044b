"""The streams of a process are read at a limited pace, of which each owner has the same share."""

from contextlib import ExitStack

from stepiq.core.reading_pace import ReadingPace


class Streams:
    """Open streams of a process that reads ten times per second."""

    def __init__(self) -> None:
        self.pace = ReadingPace(10, shortest_seconds=0.25, longest_seconds=4)
        self._opened = ExitStack()

    def open(self, owner: str, number: int = 1) -> None:
        for _ in range(number):
            self._opened.enter_context(self.pace.stream(owner))

    def close(self) -> None:
        self._opened.close()


class TestReadingPace:
    def test_few_streams_are_read_at_once(self):
        streams = Streams()

        streams.open("a", 2)

        assert streams.pace.pause_seconds("a") == 0

    def test_the_streams_of_an_owner_share_its_reads(self):
        streams = Streams()

        streams.open("a", 20)

        assert streams.pace.pause_seconds("a") == 2

    def test_owners_have_equal_shares(self):
        streams = Streams()

        streams.open("a", 10)
        streams.open("b", 20)

        assert streams.pace.pause_seconds("a") == 2
        assert streams.pace.pause_seconds("b") == 4

    def test_the_streams_of_others_do_not_delay_a_single_one(self):
        streams = Streams()

        streams.open("a", 1_000)
        streams.open("b")

        assert streams.pace.pause_seconds("b") == 0

    def test_no_stream_waits_longer_than_the_longest_time(self):
        streams = Streams()

        streams.open("a", 1_000)

        assert streams.pace.pause_seconds("a") == 4

    def test_closed_streams_do_not_count(self):
        streams = Streams()
        streams.open("b", 1_000)
        streams.close()

        streams.open("a", 20)

        assert streams.pace.pause_seconds("a") == 2
