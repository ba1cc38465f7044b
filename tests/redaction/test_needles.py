"""Masking with many secrets: few are compared with a text, and the result is as if all of them were."""

import base64
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.redaction.masking import Masker

WAYS = [
    str,
    str.lower,
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(f"x{text}".encode()).decode(),
    lambda text: urllib.parse.quote(text, safe=""),
    lambda text: text[1:],
    lambda text: text[:-1],
    lambda text: text + text[:3],
]
NOT_IN_SECRETS = "\ue000"


class Searched(str):
    """A text that counts how often it is searched."""

    searches = 0

    def find(self, *args: Any) -> int:
        self.searches += 1
        return super().find(*args)


def many(values):
    return {f"KEY_{number}": value for number, value in enumerate(values)}


class TestCompared:
    def test_secrets_longer_than_a_text_are_not_compared_with_it(self):
        masker = Masker(many(f"{number:03}-{'secret' * 1_666}" for number in range(100)))
        text = Searched("000-secret")

        masked = masker.text(text)

        assert masked == "000-secret"
        assert text.searches == 0

    def test_one_secret_that_is_longer_than_a_text_is_not_compared_with_it(self):
        text = Searched("secret" * 100)

        Masker({"KEY": "secret" * 1_000}).text(text)

        assert text.searches == 0

    def test_only_secrets_that_occur_are_compared_with_a_short_text(self):
        masker = Masker(many(f"shared-beginning-{number:03}" for number in range(1_000)))
        text = Searched("The key is shared-beginning-042.")

        masked = masker.text(text)

        assert masked == "The key is [secret:KEY_42]."
        # Once for the occurrence, and once for the text behind it.
        assert text.searches == 2

    @given(
        secrets=st.lists(
            st.text("ab", min_size=8, max_size=24)
            | st.text("ab", max_size=16).map("abcdefgh".__add__)
            | st.text('abB%+/ \\"é', min_size=8, max_size=24),
            min_size=1,
            max_size=30,
        ),
        parts=st.lists(
            st.tuples(st.integers(0, 29), st.sampled_from(WAYS), st.text("ab %\\\n", max_size=3)),
            max_size=4,
        ),
    )
    def test_the_text_is_masked_as_if_each_secret_were_compared(self, secrets, parts):
        masker = Masker(many(secrets))
        text = "".join(way(secrets[at % len(secrets)]) + after for at, way, after in parts)

        masked = masker.text(text)

        # Each secret is compared with a text that is long for their number.
        filling = NOT_IN_SECRETS * 30 * 1_000
        if len(text) >= 8:
            assert masked + filling == masker.text(text + filling)


class TestIsSlow:
    def test_without_secrets_nothing_is(self):
        assert not Masker({}).is_slow(1_000_000)

    def test_it_depends_on_the_number_of_texts_that_are_looked_for(self):
        plain = Masker(many(f"secret{number:06}" for number in range(100)))
        # Each can be escaped in several ways.
        special = Masker(many(f'é/"+ {number:06}' for number in range(100)))

        assert not plain.is_slow(2_000)
        assert special.is_slow(2_000)

    @pytest.mark.parametrize("length", [8, 100])
    def test_many_short_texts_are_slow_before_they_take_long(self, length: int):
        masker = Masker({"KEY": "12345678"})

        assert not masker.is_slow(10 * length)
        assert masker.is_slow(1_000 * length)
