from hypothesis import given
from hypothesis import strategies as st

from stepiq.providers.openai.answer import EventReader

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def read(*pieces: bytes) -> list[bytes]:
    reader = EventReader()
    return [data for piece in pieces for data in reader.feed(piece)]


class TestFeed:
    def test_an_event_ends_at_an_empty_line(self):
        assert read(b"data: one\n\ndata: two\n\ndata: thr") == [b"one", b"two"]

    def test_lines_of_data_are_joined(self):
        assert read(b"data: one\ndata:two\ndata\ndata: \n\n") == [b"one\ntwo\n"]

    def test_other_fields_and_comments_are_ignored(self):
        assert read(b": hello\nevent: delta\nid: 7\nretry: 1\ndata: one\n\n\n\n") == [b"one"]

    def test_only_one_space_is_removed(self):
        assert read(b"data:  one\n\n") == [b" one"]

    @given(
        st.lists(st.lists(st.binary(max_size=8), min_size=1, max_size=3), max_size=4),
        LINE_ENDS,
        st.data(),
    )
    def test_the_pieces_of_a_body_do_not_matter(
        self, events: list[list[bytes]], end: bytes, data: st.DataObject
    ):
        clean = [
            [line.replace(b"\n", b"-").replace(b"\r", b"-") for line in lines] for lines in events
        ]
        body = b"".join(b"".join(b"data: " + line + end for line in lines) + end for lines in clean)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

        assert read(*pieces) == [b"\n".join(lines) for lines in clean]


class TestRest:
    def test_an_event_without_its_empty_line(self):
        reader = EventReader()
        assert list(reader.feed(b"data: one\n\ndata: two")) == [b"one"]

        assert reader.rest() == b"two"

    def test_after_a_whole_event_nothing_is_left(self):
        reader = EventReader()
        assert list(reader.feed(b"data: one\r\n\r")) == [b"one"]

        assert reader.rest() is None
