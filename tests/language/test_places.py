import pytest

from stepiq.language.places import Place, find, locate_inside, write_path


class TestWritePath:
    @pytest.mark.parametrize(
        ("path", "text"),
        [((), ""), (("a",), "a"), (("steps", 2, "prompt"), "steps[2].prompt"), ((0, "a"), "[0].a")],
    )
    def test_a_path_is_written_as_in_code(self, path, text):
        assert write_path(path) == text


class TestFind:
    def test_a_part_without_a_place_stands_at_what_is_around_it(self):
        root = Place(1, 1)
        root.add("steps", Place(2, 3))

        assert find(root, ("steps",)) == (Place(2, 3), True)
        assert find(root, ("steps", 0, "id")) == (Place(2, 3), False)


class TestLocateInside:
    def locate(self, source: str, place: Place, value: str, line: int, column: int):
        return locate_inside(source.split("\n"), place, value, line, column)

    def test_a_plain_text_is_where_it_starts(self):
        assert self.locate("a: x y z", Place(1, 4), "x y z", 1, 3) == (1, 6)

    @pytest.mark.parametrize("quote", ["'", '"'])
    def test_a_quoted_text_starts_behind_its_quote(self, quote):
        assert self.locate(f"a: {quote}x y{quote}", Place(1, 4), "x y", 1, 3) == (1, 7)

    def test_a_block_text_has_its_own_lines(self):
        assert self.locate("a: |\n  x\n  y z\n", Place(1, 4, None, True), "x\ny z\n", 2, 3) == (
            3,
            5,
        )

    @pytest.mark.parametrize(
        ("source", "place", "value", "line"),
        [
            ('a: "x\\ny"', Place(1, 4), "x\ny", 2),
            ('a: "\\u0041 b"', Place(1, 4), "A b", 1),
            ("a: >\n  x\n  y\n", Place(1, 4, None, True), "x y\n", 1),
            ("a: |", Place(1, 4, None, True), "x", 1),
        ],
    )
    def test_what_the_source_writes_differently_is_located_at_its_start(
        self, source, place, value, line
    ):
        assert self.locate(source, place, value, line, 2) == (1, 4)
