import json as stdlib
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core import json
from stepiq.core.json import MAX_DEPTH, MalformedJson

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**50), 10**50)
    | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)  # fmt: skip


class TestLoads:
    @given(VALUES)
    def test_what_was_written_is_read(self, value):
        assert json.loads(json.dumps(value).encode()) == value
        assert json.loads(stdlib.dumps(value).encode()) == value

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, data):
        with suppress(MalformedJson):
            json.dumps(json.loads(data))

    @given(st.text('[]{}",:\\0e1.-u du', max_size=100))
    def test_nothing_near_json_does_harm(self, text):
        with suppress(MalformedJson):
            json.dumps(json.loads(text.encode()))

    def test_the_deepest_nesting_is_read_and_one_more_is_not(self):
        assert json.loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
        with pytest.raises(MalformedJson, match="nests deeper"):
            json.loads(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))

    def test_brackets_and_numbers_in_strings_do_not_count(self):
        text = '["' + "[" * 1_000 + '", "' + "9" * 1_000 + '", "\\"[[[", "1e999"]'

        assert json.loads(text.encode()) == stdlib.loads(text)

    @pytest.mark.parametrize("text", [b"1e999", b"-1e400", b"[1E+309]", b"9" * 310 + b".5"])
    def test_numbers_beyond_a_double_are_refused(self, text):
        with pytest.raises(MalformedJson, match=r"range of a double|not valid"):
            json.loads(text)

    @pytest.mark.parametrize("text", [b"1e308", b"1e-999", b"0e999", b"9" * 310])
    def test_those_within_are_read(self, text):
        assert json.loads(text) is not None

    @pytest.mark.parametrize(
        "text", [b'"' + b'\\"' * 120_000, b'"' * 250_001, b"\\" * 250_000, b'"' + b"\\" * 250_001]
    )
    def test_no_text_takes_long(self, text):
        started = time.process_time()
        with pytest.raises(MalformedJson):
            json.loads(text)

        assert time.process_time() - started < 0.5

    def test_an_escaped_backslash_before_u0000_is_text(self):
        assert json.loads(b'"\\\\u0000"') == "\\u0000"
        with pytest.raises(MalformedJson, match=r"U\+0000"):
            json.loads(b'"\\\\\\u0000"')
