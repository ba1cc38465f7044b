import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.control_characters import storable
from stepiq.providers.failures import MASK, mask

KEY = "sk-proj-4f7Qm2ZxLkT9vB8cR1nS6wYd3eH5gJ0a"


class TestMask:
    @pytest.mark.parametrize(
        "text",
        [
            f"Incorrect API key provided: {KEY}.",
            "Incorrect API key provided: sk-proj-***********gJ0a.",
            f"key {KEY[:8]}...{KEY[-4:]} is revoked",
            f'{{"key": "{KEY}"}}',
            f"Bearer {KEY}, sent to you",
            f"ends with …{KEY[-8:]}",
        ],
    )
    def test_no_piece_of_the_key_is_left(self, text: str):
        masked = mask(text, KEY)

        assert MASK in masked
        assert not [at for at in range(len(KEY) - 6) if KEY[at : at + 6] in masked]
        assert KEY[-4:] not in masked

    def test_another_key_goes_too(self):
        assert "gsk_abcdefgh1234" not in mask("not gsk_abcdefgh1234", KEY)
        assert "sk-ant-abc12345" not in mask("not sk-ant-abc12345", None)

    @pytest.mark.parametrize("key", [KEY, "abc", "", None])
    def test_plain_words_stay(self, key: str | None):
        text = "You exceeded your current quota, please check your plan and billing details."

        assert mask(text, key) == text

    def test_a_short_key_goes_as_a_whole(self):
        assert mask("the key abc1 is wrong", "abc1") == f"the key {MASK} is wrong"

    @given(st.text(alphabet=st.characters(codec="ascii"), min_size=12), st.text(), st.text())
    def test_whatever_the_key_it_never_comes_through(self, key: str, before: str, after: str):
        assert key not in mask(f"{before}{key}{after}", key) or key in MASK


class TestStorable:
    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("plain", "plain"),
            ("h\u00e9 \U0001f600", "h\u00e9 \U0001f600"),
            ("\ud83d\ude00", "\U0001f600"),
            ("a\ud800b", "a\ufffdb"),
            ("\udc00", "\ufffd"),
            ("x\x00y", "x\ufffdy"),
        ],
    )
    def test_only_what_cannot_be_stored_is_replaced(self, text: str, kept: str):
        assert storable(text) == kept

    @given(st.text(alphabet=st.characters(exclude_categories=())))
    def test_what_is_left_is_utf_8_without_nul(self, text: str):
        assert b"\x00" not in storable(text).encode()
