import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.accounts import keys


class TestGenerate:
    def test_a_key_has_the_shape_it_is_documented_with(self):
        made = keys.generate()

        assert made.text.startswith("sk_live_")
        assert len(made.text) == 44
        assert made.text.startswith(made.prefix)
        assert made.digest == keys.digest(made.text)
        assert keys.is_well_formed(made.text)

    def test_no_two_are_alike(self):
        assert len({keys.generate().text for _ in range(1_000)}) == 1_000


class TestIsWellFormed:
    @given(st.integers(8, 43), st.sampled_from("0aZ_é\n"))
    def test_one_changed_character_is_noticed(self, place, character):
        text = keys.generate().text
        changed = text[:place] + character + text[place + 1 :]

        assert keys.is_well_formed(changed) == (changed == text)

    @pytest.mark.parametrize("text", ["", "sk_live_", "sk_test_" + "0" * 36, "0" * 44])
    def test_other_texts_are_none(self, text):
        assert not keys.is_well_formed(text)

    def test_nothing_may_stand_around_it(self):
        text = keys.generate().text

        assert not keys.is_well_formed(text + "\n")
        assert not keys.is_well_formed(" " + text)
