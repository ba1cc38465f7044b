import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.accounts.credentials import api_keys as keys


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


class TestProblem:
    # Random parameters would differ between the processes of a test run.
    KEY = "sk_live_" + "0" * 30 + keys._checksum("sk_live_" + "0" * 30)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "The header X-API-Key is empty."),
            (KEY[:-3], "The API key has 41 characters instead of 44."),
            (f'"{KEY}"', "X-API-Key has text before sk_live_."),
            (f"Bearer {KEY}", "X-API-Key has text before sk_live_."),
            ("eyJhbGciOiJIUzI1NiJ9.e30.x", "X-API-Key contains an access token."),
            ("sk-proj-0123456789", "X-API-Key is not an API key of stepIQ"),
            (
                KEY[:-1] + ("a" if KEY[-1] != "a" else "b"),
                "The API key contains an invalid character.",
            ),
        ],
    )
    def test_it_says_what_is_wrong_and_does_not_repeat_it(self, text, expected):
        problem = keys.problem(text)

        assert problem is not None
        assert problem.startswith(expected)
        assert not text or text not in problem

    def test_a_key_has_none(self):
        assert keys.problem(self.KEY) is None
