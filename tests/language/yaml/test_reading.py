"""What YAML 1.2 reads in another way than YAML 1.1, and the places of what is read."""

import pytest

from stepiq.language import places
from stepiq.language.documents.source import SourceFormat, read


def data(text: str):
    source = read(text, SourceFormat.YAML)
    assert source.issues == ()
    return source.data


class TestData:
    @pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\xa0"])
    def test_a_unicode_line_break_is_a_character_like_others(self, character):
        text = f"x{character}y"

        assert data(f"a: {text}\nb: '{text}'\nc: |\n  {text}\n") == {
            "a": text,
            "b": text,
            "c": f"{text}\n",
        }

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{ ?foo: bar }", {"?foo": "bar"}),
            ("[?x]", ["?x"]),
            ("{x: :x}", {"x": ":x"}),
            ('{"a":b}', {"a": "b"}),
            ('{"a"\n:b}', {"a": "b"}),
            ("a:\tb", {"a": "b"}),
            ("-\tb", ["b"]),
            ("a: 1\n\t\nb: 2", {"a": 1, "b": 2}),
        ],
    )
    def test_what_yaml_1_1_refuses_or_misreads(self, text, expected):
        assert data(text) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a: |\n  x", "x\n"),
            ("a: |\n  x\n   ", "x\n \n"),
            ("a: |+\n  x\n ", "x\n"),
            ("a: |+\n  x\n\n ", "x\n\n"),
            ("a: >\n  x\n  y", "x y\n"),
            ("a: |", ""),
        ],
    )
    def test_the_last_line_of_a_block_text_may_lack_its_line_break(self, text, expected):
        assert data(text) == {"a": expected}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('a: "x\ufeffy"', {"a": "x\ufeffy"}),
            ("a: '\ufeff'", {"a": "\ufeff"}),
            ('\ufeff"\ufeff": "x\n  \ufeffy"', {"\ufeff": "x \ufeffy"}),
            ('["\ufeff"]', ["\ufeff"]),
        ],
    )
    def test_a_byte_order_mark_may_be_in_quotes(self, text, expected):
        assert data(text) == expected

    @pytest.mark.parametrize(
        "text", ['{"a": "\\ud83d\\ude00"}', 'a: "\\ud83d\\ude00"', 'a: "\\U0001f600"']
    )
    def test_an_emoji_may_be_written_in_escapes(self, text):
        assert data(text) == {"a": "😀"}

    @pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
    def test_lines_may_end_in_three_ways(self, line_break):
        text = "a: |\n  x\n  y\nb:\n- 1\n- 'x\n\n  y'\n".replace("\n", line_break)

        assert data(text) == {"a": "x\ny\n", "b": [1, "x\ny"]}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("? a\n: b\n? c\nd: 1", {"a": "b", "c": None, "d": 1}),
            ("? |\n  x\n  y\n: - 1\n  - 2\n", {"x\ny\n": [1, 2]}),
            ("- ? ''\n  : b: 1\n    c: 2\n- d", [{"": {"b": 1, "c": 2}}, "d"]),
            ("? a\n  b\n:\n- 1\n", {"a b": [1]}),
            ("{? a : b, ? c}", {"a": "b", "c": None}),
            ("[? a\n b : c, ? d]", [{"a b": "c"}, {"d": None}]),
        ],
    )
    def test_a_key_may_be_marked(self, text, expected):
        assert data(text) == expected

    @pytest.mark.parametrize(
        "text", ["? [a]\n: b", "? - a\n: b", "?\n: b", "[?]", ": b", "{: b}", "? a: b"]
    )
    def test_a_key_that_is_no_text_is_refused(self, text):
        assert [issue.code for issue in read(text, SourceFormat.YAML).issues] == ["syntax"]

    def test_a_closing_bracket_may_be_below_its_field(self):
        assert data("a: {\n  b: [\n    1\n  ]\n}\n") == {"a": {"b": [1]}}


class TestPlaces:
    def test_each_value_and_key_has_its_place(self):
        text = 'a:\n  - {b: 1, "c": [x]}\n  - d: |\n      z\n    e:\nf: "y"\n'
        source = read(text, SourceFormat.YAML)
        assert source.places is not None
        root = source.places()

        def place(*path):
            found, is_exact = places.find(root, path)
            assert is_exact
            return found.line, found.column, found.key

        assert place() == (1, 1, None)
        assert place("a") == (2, 3, (1, 1))
        assert place("a", 0) == (2, 5, None)
        assert place("a", 0, "b") == (2, 9, (2, 6))
        assert place("a", 0, "c") == (2, 17, (2, 12))
        assert place("a", 0, "c", 0) == (2, 18, None)
        assert place("a", 1, "d") == (3, 8, (3, 5))
        assert place("a", 1, "e") == (5, 7, (5, 5))
        assert place("f") == (6, 4, (6, 1))

    def test_a_pair_in_a_list_has_its_place(self):
        source = read("[a, b: 1]", SourceFormat.YAML)
        assert source.places is not None

        found, is_exact = places.find(source.places(), (1, "b"))

        assert is_exact
        assert (found.line, found.column, found.key) == (1, 8, (1, 5))

    def test_lines_after_a_unicode_line_break_keep_their_number(self):
        source = read("a: x\u2028y\nb: .inf", SourceFormat.YAML)

        assert [(issue.line, issue.column) for issue in source.issues] == [(2, 4)]

    @pytest.mark.parametrize(
        ("text", "line", "column"),
        [
            ("a: 'x'\r\nb: y\ufeff", 2, 5),
            ('a: "\ufeff" # \ufeff', 1, 10),
            ("a: |\n  \ufeff", 2, 3),
            ("a: 1\n\ufeffb", 2, 1),
        ],
    )
    def test_a_byte_order_mark_outside_of_quotes_is_refused(self, text, line, column):
        [issue] = read(text, SourceFormat.YAML).issues

        assert (issue.code, issue.line, issue.column) == ("invalid_character", line, column)


class TestSyntax:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{k:[d]}", "A space is missing after the colon. Write `: [`."),
            ("[a:{b: c}]", "A space is missing after the colon. Write `: {`."),
            (
                "%YAML 1.2\n---name: x",
                "A line with only `---` is missing below the lines that start with `%`.",
            ),
            ("a: 1\nb:2\n", "A space is missing after the colon. Write `b: 2`."),
            ('["a"#b]', "A comment needs a space before its `#`."),
            ('["a\nb": c]', "A key must be on one line."),
            ("[1,}", "`}` does not close `[`. Write `]`."),
        ],
    )
    def test_a_mistake_is_named(self, text, message):
        [issue] = read(text, SourceFormat.YAML).issues

        assert issue.message == message

    def test_the_first_of_two_keys_in_brackets_stays(self):
        source = read("{a: 1, a: 2}", SourceFormat.YAML)

        assert [issue.code for issue in source.issues] == ["duplicate_key"]
        assert source.data == {"a": 1}
