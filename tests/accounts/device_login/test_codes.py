import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.accounts.device_login.service import UserCodes

CODES = UserCodes(b"k" * 32)


class TestUserCodes:
    def test_a_code_has_two_groups_of_letters_that_nobody_confuses(self):
        for _ in range(200):
            assert re.fullmatch(r"[B-DF-HJ-NP-TVWXZ]{4}-[B-DF-HJ-NP-TVWXZ]{4}", CODES.new())

    @pytest.mark.parametrize("typed", ["bcdf-ghjk", "BCDFGHJK", " bcdf ghjk ", "BCDF_GHJK"])
    def test_case_and_grouping_do_not_matter(self, typed):
        assert CODES.digest(typed) == CODES.digest("BCDF-GHJK") is not None

    @pytest.mark.parametrize("typed", ["", "BCDF-GHJ", "BCDF-GHJKL", "ABCD-EFGH", "1234-5678"])
    def test_what_cannot_be_a_code_has_no_digest(self, typed):
        assert CODES.digest(typed) is None

    def test_each_server_has_other_digests(self):
        assert UserCodes(b"other" * 8).digest("BCDF-GHJK") != CODES.digest("BCDF-GHJK")

    @given(st.text(max_size=20))
    def test_any_text_can_be_typed(self, typed):
        found = CODES.digest(typed)

        assert found is None or len(found) == 32
