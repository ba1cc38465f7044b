import json as stdlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from stepiq.core import json
from stepiq.core.json import MAX_CONTAINERS, MAX_DEPTH, MAX_KEPT_DEPTH, Json, MalformedJson
from tests.support.pace import cpu_limit

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
        with pytest.raises(MalformedJson, match="maximum depth"):
            json.loads(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))

    def test_nesting_that_the_library_refuses_is_told_alike(self):
        with pytest.raises(MalformedJson, match="maximum depth of 100 levels"):
            json.loads(b"[" * 10_000)

    def test_so_many_arrays_and_objects_are_read_and_one_more_is_not(self):
        most = b'{"a":[' + b"[]," * 50_000 + b'{"b":[' + b"{}," * (MAX_CONTAINERS - 50_005)

        assert json.loads(most + b"{}]}]}")
        with pytest.raises(MalformedJson, match="more than 100,000 arrays and objects"):
            json.loads(most + b"{},{}]}]}")

    def test_brackets_and_numbers_in_strings_do_not_count(self):
        text = '["' + "[" * 1_000 + '", "' + "9" * 1_000 + '", "\\"[[[", "1e999"]'

        assert json.loads(text.encode()) == stdlib.loads(text)

    @pytest.mark.parametrize(
        "text",
        [b"1e999", b"-1e400", b"[1E+309]", b"9" * 310 + b".5", b"9" * 250 + b"e60", b"1.5e0000309"],
    )
    def test_numbers_beyond_a_double_are_refused(self, text):
        with pytest.raises(MalformedJson, match=r"too large for a double|not valid"):
            json.loads(text)

    @pytest.mark.parametrize(
        "text", [b"1e308", b"1e-999", b"0e999", b"9" * 310, b"9" * 199 + b"E+99", b'"1e999"']
    )
    def test_those_within_are_read(self, text):
        assert json.loads(text) is not None

    @pytest.mark.parametrize(
        "text", [b'"' + b'\\"' * 120_000, b'"' * 250_001, b"\\" * 250_000, b'"' + b"\\" * 250_001]
    )
    def test_no_text_takes_long(self, text):
        with cpu_limit(0.5), pytest.raises(MalformedJson):
            json.loads(text)

    @pytest.mark.parametrize(
        "text",
        [
            b"", b" ", b"{", b"[1,]", b'{"a":1,}', b"{a: 1}", b"'a'", b"1 2", b"tru", b"\xff", b'"\xc3"',
            b"\xef\xbb\xbf1", b"NaN", b"[Infinity]", b"-Infinity", b'"\\ud800"', b'"\\udc00\\ud800"',
            b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "\\u0061": 2}}]', b"01", b"+1", b"1.", b".5", b'"\t"',
            b'"\\x41"', b'"\x00"', b'"\\u0000"', b'{"\\u0000": 1}', b"\x00", b"/* */ 1",
        ],
    )  # fmt: skip
    def test_what_readers_understand_differently_is_refused(self, text):
        with pytest.raises(MalformedJson) as caught:
            json.loads(text)

        assert caught.value.message.endswith(".") or "U+0000" in caught.value.message
        assert caught.value.code == "malformed_json"

    @pytest.mark.parametrize(
        ("text", "place", "reason"),
        [
            (b"", "line 1, column 1", "the text is empty."),
            (b'{"a": 1,}', "line 1, column 9", "remove the comma after the last entry."),
            (b"{'a': 1}", "line 1, column 2", "names and text must be in double quotes, not"),
            (b"{a: 1}", "line 1, column 2", "a name must be in double quotes."),
            (b'{"a": b}', "line 1, column 7", "a value is missing. Text must be in double quotes."),
            (b'{"a" 1}', "line 1, column 6", "a colon is missing after the name."),
            (b'{"a": 1', "line 1, column 7", "the text ends inside an object. A closing `}`"),
            (b"[1", "line 1, column 2", "the text ends inside a list. A closing `]` is missing."),
            (b'["a', "line 1, column 3", "the text ends inside a string."),
            (b"[1,\n2 3]", "line 2, column 3", "a comma or a closing `]` is missing."),
            (b'{"a": 1; "b": 2}', "line 1, column 8", "use a comma instead of a semicolon."),
            (b'{"a": NaN}', "line 1, column 7", "NaN and Infinity are not JSON. Use null."),
            (b"[-Infinity]", "line 1, column 3", "NaN and Infinity are not JSON. Use null."),
            (b"[True]", "line 1, column 2", "true and false must be in lower case."),
            (b"[None]", "line 1, column 2", "use null for no value."),
            (b"[undefined]", "line 1, column 2", "use null for no value."),
            (b"[1] // x", "line 1, column 5", "there is more text after the end of the value."),
            (b"[1 // x\n]", "line 1, column 4", "JSON cannot contain comments."),
            (b"\xef\xbb\xbf{}", "line 1, column 1", "the text begins with a byte order mark."),
            (b'["a\nb"]', "line 1, column 1", "text cannot contain line breaks or other control"),
            (b'["\\q"]', "line 1, column 4", "a backslash in text must be followed by one of"),
            (b"[.5]", "line 1, column 2", "a number must begin with a digit or a minus sign."),
            (b"[01]", "line 1, column 3", "this is not a number, such as 12, -0.5 or 1e6."),
            (b'["\xff"]', "line 1, column 3", "the text is not UTF-8."),
            (b'["\\ud800"]', "line 1, column 9", "an escape such as \\ud83d is half of a char"),
            (b'{"a": 1, "a": 2}', "line 1, column 14", "the name `a` occurs twice in one object."),
            ('{"ä": "ö", b}'.encode(), "line 1, column 12", "a name must be in double quotes."),
        ],
    )  # fmt: skip
    def test_a_mistake_is_named_with_its_place(self, text: bytes, place: str, reason: str):
        with pytest.raises(MalformedJson) as caught:
            json.loads(text)

        assert caught.value.message.startswith(f"Invalid JSON at {place}: {reason}")

    def test_a_whole_pair_of_surrogates_is_one_character(self):
        assert json.loads(b'"\\ud83d\\ude00"') == "\U0001f600"

    @pytest.mark.parametrize(
        "unit", [b"[", b"{", b'{"a":', b"]", b"[]", b'"', b'\\"', b"9", b"9e9,", b"-", b"\\u0000", b"1.", b'","',
                 b'{"a":1},', b"\x00", b"\xff", b" ", b'"a":"a",', b'\\\\"']
    )  # fmt: skip
    @pytest.mark.parametrize("opening", [b"", b"[", b'["', b'{"'])
    def test_256_kib_of_anything_take_less_than_a_second(self, opening, unit):
        text = opening + unit * (256 * 1024 // len(unit))
        with cpu_limit(1), suppress(MalformedJson):
            json.loads(text)

    @pytest.mark.parametrize(
        "number", [b"1" * 398, b"1" * 299 + b".5", b"1." + b"1" * 390, b"1e999"]
    )
    def test_so_do_long_numbers_which_are_looked_at_closely(self, number):
        text = b'["' + b"9" * 200 + b'"' + b",%s" % number * (1024 * 1024 // len(number)) + b"]"
        with cpu_limit(0.3), suppress(MalformedJson):
            json.loads(text)

    def test_an_escaped_backslash_before_u0000_is_text(self):
        assert json.loads(b'"\\\\u0000"') == "\\u0000"
        with pytest.raises(MalformedJson, match=r"U\+0000"):
            json.loads(b'"\\\\\\u0000"')


class TestNestsTooDeep:
    @pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
    def test_so_many_levels_are_kept_and_one_more_is_not(self, wrap):
        value = 1
        for _ in range(MAX_KEPT_DEPTH):
            value = wrap(value)

        assert not json.nests_too_deep(json.SerializedJson.of(value), value)
        assert json.read_trusted(json.dumps(value)) == value
        assert json.nests_too_deep(json.SerializedJson.of([value]), [value])

    def test_brackets_in_texts_and_wide_values_are_no_depth(self):
        wide: Json = [[] for _ in range(1_000)]
        for value in ("[" * 1_000, wide):
            assert not json.nests_too_deep(json.SerializedJson.of(value), value)


class TestText:
    @pytest.mark.parametrize(("value", "size"), [("a", 3), ("é", 4), (None, 4), ([1, "😀"], 10)])
    def test_its_size_is_that_of_its_utf_8(self, value, size):
        assert json.SerializedJson.of(value).size_bytes == size


class TestDumps:
    @given(VALUES)
    def test_the_standard_library_reads_the_same_out_of_it(self, value):
        assert repr(stdlib.loads(json.dumps(value))) == repr(value)

    def test_words_that_look_like_no_numbers_are_texts(self):
        assert json.dumps(["NaN", "Infinity"]) == '["NaN","Infinity"]'

    def test_half_of_a_surrogate_pair_and_deep_nesting_are_the_reader_s_business(self):
        deep: list = []
        for _ in range(300):
            deep = [deep]

        assert json.dumps(["\ud800", deep]) == '["\ud800",' + "[" * 301 + "]" * 301 + "]"

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [float("nan")]])
    def test_what_json_cannot_say_is_a_bug_of_the_caller(self, value):
        with pytest.raises(ValueError, match="not JSON compliant"):
            json.dumps(value)

    def test_it_is_compact_keeps_order_and_writes_text_as_it_is(self):
        assert json.dumps({"b": [1, "é😀"], "a": None}) == '{"b":[1,"é😀"],"a":null}'


class TestAsObject:
    def test_an_object_is_returned_as_it_is(self):
        value: Json = {"a": [1]}

        assert json.as_object(value) is value

    @pytest.mark.parametrize("value", [None, [], "{}", 1])
    def test_other_values_are_refused(self, value: Json):
        with pytest.raises(TypeError):
            json.as_object(value)


class TestJson:
    def test_pydantic_takes_a_value_without_checking_what_is_inside(self):
        value = {"a": [object()]}

        assert TypeAdapter[Any](Json).validate_python(value) is value
