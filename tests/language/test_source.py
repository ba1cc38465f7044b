import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.json import as_object, dumps
from stepiq.language.documents import source as documents
from stepiq.language.documents.source import MAX_SOURCE_BYTES, SourceFormat, read
from tests.support.pace import cpu_limit

JSON, YAML = SourceFormat.JSON, SourceFormat.YAML


def issues(text: str, source_format=YAML) -> list[tuple]:
    return [(i.path, i.code, i.line, i.column) for i in read(text, source_format).issues]


class TestYamlScalars:
    @pytest.mark.parametrize(
        "text",
        [
            "no",
            "on",
            "yes",
            "12:30",
            "2024-01-01",
            "1_000",
            "0b1",
            "1.2.3",
            "+",
            ".",
            "NO",
            "=",
            "<<",
            "0o8",
            "e3",
        ],
    )
    def test_what_yaml_1_2_does_not_give_a_meaning_is_a_string(self, text):
        assert read(f"a: {text}", YAML).data == {"a": text}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
            ("true", True), ("True", True), ("FALSE", False), ("false", False),
            ("3", 3), ("-3", -3), ("+3", 3), ("007", 7), ("0o17", 15), ("0x1F", 31),
            ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-1.5E-2", -0.015),
            ("'3'", "3"), ('"true"', "true"), ('"\\u00e9"', "é"), ("'no'", "no"),
            ("[1, a]", [1, "a"]), ("{b: 1}", {"b": 1}), ("|\n  x\n  y\n", "x\ny\n"), (">-\n  x\n  y\n", "x y"),
        ],
    )  # fmt: skip
    def test_the_core_schema_gives_plain_scalars_their_type(self, text, value):
        data = read(f"a: {text}", YAML).data

        assert data == {"a": value}
        assert type(as_object(data)["a"]) is type(value)

    def test_keys_are_strings(self):
        assert read("1: a\ntrue: b\non: c\nnull: d\n", YAML).data == {
            "1": "a",
            "true": "b",
            "on": "c",
            "null": "d",
        }

    def test_an_empty_text_is_null(self):
        assert read("", YAML).data is None
        assert read("# only a comment\n", YAML).data is None

    def test_a_byte_order_mark_is_skipped(self):
        assert read("\ufeffa: 1", YAML).data == {"a": 1}
        assert read('\ufeff{"a": 1}', JSON).data == {"a": 1}

    def test_a_document_may_have_its_marks_and_its_version(self):
        assert read("%YAML 1.2\n---\na: 1\n...\n", YAML).data == {"a": 1}


class TestYamlRefusals:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a: &x 1", ("a", "yaml_anchor", 1, 4)),
            ("a: &x [1]", ("a", "yaml_anchor", 1, 4)),
            ("a: !!str 1", ("a", "yaml_tag", 1, 4)),
            ("a: !x {b: 1}", ("a", "yaml_tag", 1, 4)),
            ("%TAG ! tag:x,2000:\n---\na: 1", ("", "yaml_tag", 1, 1)),
            ("a:\n- x\n- b: !x 1", ("a[1].b", "yaml_tag", 3, 6)),
            ("b: 1\n<<: {a: 1}", ("", "yaml_merge", 2, 1)),
            ("a: 1\nb: 2\na: 3", ("", "duplicate_key", 3, 1)),
        ],
    )
    def test_what_json_data_has_no_word_for_is_refused(self, text, expected):
        source = read(text, YAML)

        assert [(i.path, i.code, i.line, i.column) for i in source.issues] == [expected]
        assert source.is_readable

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a: 1\n---\nb: 2", ("", "syntax", 2, 1)),
            ("a: .inf", ("a", "invalid_number", 1, 4)),
            ("a: -.INF", ("a", "invalid_number", 1, 4)),
            ("a: .nan", ("a", "invalid_number", 1, 4)),
            ("a: 1e999", ("a", "invalid_number", 1, 4)),
            ("a: " + "9" * 401, ("a", "invalid_number", 1, 4)),
            ('a: "\\0"', ("a", "invalid_character", 1, 4)),
            ("? [a]\n: b", ("", "syntax", 1, 3)),
            ("a: [", ("a", "syntax", 1, 4)),
            ("a: 'x", ("a", "syntax", 1, 4)),
            ("a:\n\t- x", ("", "syntax", 2, 1)),
            ('a: "\\ud800"', ("a", "syntax", 1, 5)),
            ("a: \x01", ("", "invalid_character", 1, 4)),
            ("a: \x00", ("", "invalid_character", 1, 4)),
            ("a: \ud800", ("", "invalid_character", 1, 4)),
            ("[" * 33, ("", "too_deep", 1, 33)),
        ],
    )
    def test_what_cannot_be_read_says_where(self, text, expected):
        source = read(text, YAML)
        found = [(i.path, i.code, i.line, i.column) for i in source.issues]

        assert found[0][1:3] == expected[1:3]
        assert not source.is_readable

    def test_refusals_come_together(self):
        text = "a: &x 1\nb: *x\nc: !!str 3\n*x : 1\na: 4\nd: [*x]"

        assert [code for _, code, _, _ in issues(text)] == [
            "yaml_anchor",
            "yaml_alias",
            "yaml_tag",
            "yaml_alias",
            "duplicate_key",
            "yaml_alias",
        ]

    def test_the_first_of_two_equal_keys_counts(self):
        assert read("a: 1\na: {b: 2}\na: [3]\nc: 4", YAML).data == {"a": 1, "c": 4}

    def test_an_alias_bomb_stops_at_fifty_refusals(self):
        names = "abcdefghijklmnopqrstuvwxyz"
        bomb = "a: &a [x]\n" + "".join(
            f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
            for old, new in itertools.pairwise(names)
        )

        assert len(issues(bomb)) == 50


class TestFlattened:
    @pytest.mark.parametrize(
        "text", ["name: xsteps:  - id: a    prompt: hi", "# Demoname: x steps: - id: a"]
    )
    def test_a_document_without_its_line_breaks_gets_the_curl_hint_alone(self, text):
        assert [(i.line, i.column, i.message) for i in read(text, YAML).issues] == [
            (
                1,
                1,
                "The document arrived as one line, because `curl -d @file` strips line breaks. "
                "Use `curl --data-binary @file`.",
            )
        ]

    @pytest.mark.parametrize("text", ["name: x", "{name: x, a: y", "a: 1\nb: [", ""])
    def test_others_do_not(self, text):
        assert not any("--data-binary" in i.message for i in read(text, YAML).issues)


class TestJson:
    @pytest.mark.parametrize(
        ("text", "line", "column"),
        [
            ('{"a": 1, "a": 2}', 1, None),
            ('{"a":\n NaN}', 2, None),
            ('{"a": Infinity}', 1, None),
            ('{"a": tru}', 1, None),
            ('{"a": "\\ud800"}', 1, None),
            ('{"a": "\\u0000"}', 1, 1),
            ('{"a": 1e999}', 1, None),
            ("[" * 100_000, 1, 1),
            ("9" * 10_000, 1, 1),
            ("", 1, 1),
            ("{} {}", 1, None),
        ],
    )
    def test_what_is_not_strict_json_is_malformed(self, text, line, column):
        source = read(text, JSON)

        (issue,) = source.issues
        assert issue.code == "syntax"
        assert issue.line == line
        assert column is None or issue.column == column
        assert not source.is_readable

    def test_places_are_those_of_the_text(self):
        root = documents._places_in_json('{"a": [1, {"b\\n": "x"}],\n "c": {"d": null}}')

        assert root.children is not None
        a, c = root.children["a"], root.children["c"]
        assert (a.line, a.column, a.key) == (1, 7, (1, 2))
        assert (c.line, c.column, c.key) == (2, 7, (2, 2))
        assert a.children is not None
        assert a.children[1].children is not None
        assert a.children[1].children["b\n"].column == 19


class TestSize:
    @pytest.mark.parametrize(
        "text", ["a" * (MAX_SOURCE_BYTES + 1), "é" * (MAX_SOURCE_BYTES // 2 + 1)]
    )
    def test_a_text_over_the_limit_is_refused(self, text):
        assert issues(text) == [("", "too_large", 1, 1)]

    @pytest.mark.parametrize("unit", ["a", "_", "a:b"])
    def test_a_text_of_the_limit_is_read(self, unit):
        with cpu_limit(1):
            assert read((unit * MAX_SOURCE_BYTES)[:MAX_SOURCE_BYTES], YAML).is_readable

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (f"{'a' * 1_025}: 1", "A key can have at most 1,024 characters."),
            (f"a: {{{{{'x' * 80}}}}}", "The value starts with `{{`. Put it in quotes."),
        ],
    )
    def test_a_long_text_is_not_repeated_in_the_message(self, text, message):
        assert [each.message for each in read(text, YAML).issues] == [message]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "unit",
        [
            "[", "{", "- ", "? ", "- [", "a,b", "x y ", "\\\\", " \n", "- |\n x\n", "- \"x\\n\"\n", "a: ", "&a ", "*a ", "!", "'", '"', "|\n", ">\n", "a,", "[a,", "{a: ", "\t", "\n", " ",
            "%", "---\n", "- - -\n", "k: 1\n", "- {a: 1}\n", "[]\n", "1", "- 1e9\n", "#", ":", "\u2028", "-",
        ],
    )  # fmt: skip
    def test_a_text_of_one_thing_over_and_over_ends_within_a_second(self, unit):
        text = unit * (MAX_SOURCE_BYTES // len(unit.encode()))
        for source_format in SourceFormat:
            with cpu_limit(1):
                source = read(text, source_format)

            assert source.is_readable or source.issues


class TestReading:
    @pytest.mark.slow
    @given(st.text() | st.text(alphabet="[]{}:,-&*!|>'\"#%@ \nab1.~?"))
    def test_any_text_gives_data_or_issues(self, text):
        for source_format in SourceFormat:
            source = read(text, source_format)
            if not source.is_readable:
                assert source.issues
            for issue in source.issues:
                assert issue.code
                assert issue.message
                assert issue.line
                assert issue.column
            dumps(source.data)

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(10**18), 10**18)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            lambda inner: (
                st.lists(inner, max_size=5)
                | st.dictionaries(
                    st.text(
                        alphabet=st.characters(
                            exclude_categories=["Cs"], exclude_characters="\x00"
                        ),
                        max_size=5,
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=20,
        )
    )
    def test_json_comes_out_as_it_went_in(self, value):
        source = read(json.dumps(value), JSON)

        assert source.data == value
        assert not source.issues
        assert source.places is not None
        assert source.places().line == 1
