# ruff: noqa: RUF001 — letters that look like others are what is tried here
import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepiq.store.database import Database
from stepiq.store.types import contains, fold

LETTERS = st.text(
    st.one_of(
        st.sampled_from("aAbB %_/\\'ÖöИиΣσςßẞİıſ\u0308\u0307ﬁ①"),
        st.characters(codec="utf-8", exclude_characters="\x00"),
    ),
    max_size=8,
)


class TestFold:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ÖSTERREICH", "österreich"),
            ("МОСКВА", "москва"),
            ("ΟΔΟΣ", "οδος"),
            ("Straße", "STRASSE"),
            ("Café", "cafe\u0301"),
            ("ＡＢＣ", "abc"),
        ],
    )
    def test_case_width_and_composition_do_not_count(self, one: str, other: str):
        assert fold(one) == fold(other)

    def test_another_letter_counts(self):
        assert fold("Österreich") != fold("Osterreich")


class TestContains:
    @settings(
        max_examples=60,
        deadline=None,
    )
    @given(LETTERS, LETTERS, LETTERS)
    @example("in ", "Österreich", "")
    @example("", "МОСКВА", " 1")
    async def test_a_part_in_other_case_is_found_on_each_store(
        self, database: Database, before: str, part: str, after: str
    ):
        name = before + part + after
        for wanted in (part, part.upper(), part.lower(), part + "%", "_" + part):
            # What both stores are compared with, so that they are alike.
            expected = fold(wanted) in fold(name)

            found = await _found(database, name, wanted)

            assert found is expected, (name, wanted)


async def _found(database: Database, name: str, wanted: str) -> bool:
    condition = contains(sa.literal(fold(name)), wanted)
    async with database.reading() as session:
        return bool(await session.scalar(sa.select(condition)))
