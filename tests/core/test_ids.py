import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core import ids


class TestUuid7:
    def test_it_is_one_of_version_7(self):
        made = ids.uuid7()

        assert made.version == 7
        assert made.variant == "specified in RFC 4122"

    def test_it_begins_with_the_milliseconds_of_its_making(self):
        before = time.time_ns() // 1_000_000
        made = ids.uuid7()
        after = time.time_ns() // 1_000_000

        assert before <= made.int >> 80 <= after

    def test_no_two_are_the_same(self):
        assert len({ids.uuid7() for _ in range(10_000)}) == 10_000

    def test_later_ones_sort_behind(self):
        made = [ids.uuid7() for _ in range(10_000)]

        assert made == sorted(made)


class TestParse:
    @given(st.uuids())
    def test_an_id_is_read_as_it_is_written(self, value):
        assert ids.parse(str(value)) == value

    @given(st.text(max_size=50))
    def test_any_text_is_an_id_or_none(self, text):
        found = ids.parse(text)

        assert found is None or isinstance(found, UUID)

    @pytest.mark.parametrize(
        "text",
        ["", "1", "0192f0c1-0000-7000-8000-00000000000", "0192f0c1-0000-7000-8000-00000000000g",
         "0192f0c1000070008000000000000000", "{0192f0c1-0000-7000-8000-000000000000}",
         "urn:uuid:0192f0c1-0000-7000-8000-000000000000", "0192f0c1-0000-7000-8000-000000000000\n"],
    )  # fmt: skip
    def test_anything_else_is_none(self, text):
        assert ids.parse(text) is None
