import re
from uuid import UUID

import pytest

from stepiq.accounts.two_factor import codes

ADA, BOB = UUID(int=1), UUID(int=2)


class TestGenerate:
    def test_ten_codes_of_80_bits(self):
        made = codes.generate()

        assert len(set(made)) == 10
        shape = re.compile("[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}")
        assert all(shape.fullmatch(each) for each in made)


class TestDigest:
    @pytest.mark.parametrize(
        "typed",
        [
            "0123-4abc-defg-hjkm",
            " 0123 4abc defg hjkm ",
            "01234ABCDEFGHJKM",
            "O123-4abc-defg-hjkm",
            "oI23-4abc-defg-hjkm",
            "0l23-4abc-defg-hjkm",
        ],
    )
    def test_people_can_type_it_differently(self, typed):
        assert codes.digest(ADA, typed) == codes.digest(ADA, "0123-4abc-defg-hjkm")

    def test_it_depends_on_the_account(self):
        assert codes.digest(ADA, "0123") != codes.digest(BOB, "0123")
