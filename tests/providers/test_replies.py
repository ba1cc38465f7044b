import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.providers.replies import ProviderReply

_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "details", "code", "type", "msg", "loc"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


class TestRead:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"error": {"message": "No."}}, "No."),
            ({"error": "No."}, "No."),
            ({"message": "No."}, "No."),
            ({"detail": "No."}, "No."),
            ("No.", "No."),
            ('{"error": {"message": "No."}}', "No."),
            ({"object": "error", "message": {"detail": [{"loc": ["a", 1], "msg": "No."}]}}, "a.1: No."),
            ({"message": [{"loc": ["a"], "msg": "No."}, {"msg": "x"}]}, "a: No."),
            ("<html>No.</html>", ""),
            ("  <!doctype html>", ""),
            ({"error": {"message": 7}}, ""),
            (None, ""),
            ([], ""),
        ],
    )  # fmt: skip
    def test_every_makers_sentence_is_found(self, body: Any, message: str):
        assert ProviderReply.read(400, {}, body).message == message

    def test_all_codes_are_found(self):
        details = [{"reason": "API_KEY_INVALID"}, {"@type": "x"}]
        error = {"code": 400, "status": "INVALID_ARGUMENT", "details": details}

        reply = ProviderReply.read(400, {}, {"error": error, "type": "error"})

        assert reply.codes == {"400", "INVALID_ARGUMENT", "API_KEY_INVALID", "error"}
        assert reply.has("x", "API_KEY_INVALID")

    @given(_json)
    def test_any_reply_can_be_read(self, body: Any):
        decoded = ProviderReply.read(400, {}, body)
        read = ProviderReply.read(400, {}, json.dumps(body))

        assert isinstance(decoded.message, str)
        if not isinstance(body, str):
            assert (read.message, read.codes) == (decoded.message, decoded.codes)

    def test_a_reply_that_is_nested_too_deep_says_nothing(self):
        assert ProviderReply.read(400, {}, '{"error":' * 100_000).message != ""
        deep: Any = "No."
        for _ in range(50):
            deep = {"error": deep}

        assert ProviderReply.read(400, {}, deep).message == ""

    @given(st.floats(allow_nan=True, allow_infinity=True) | st.text(max_size=20))
    def test_any_wait_is_none_or_up_to_an_hour(self, value: float | str):
        wait = ProviderReply.read(429, {"retry-after": str(value)}, "").retry_after

        assert wait is None or timedelta(0) <= wait <= timedelta(hours=1)
