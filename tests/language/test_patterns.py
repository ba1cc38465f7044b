from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stepiq.language import patterns
from stepiq.language.patterns import Pattern, PatternLimit, PatternSyntaxError, compile_regex
from tests.support.pace import cpu_limit


def refused(text: str) -> str:
    with pytest.raises(PatternSyntaxError) as caught:
        Pattern.compile(text)
    assert caught.value.code == "pattern_syntax"
    return caught.value.message


class TestCompile:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("(?=a)", "Look-around"),
            ("(a)\\1", "Back-references"),
            ("(a", "`(` has no closing `)`."),
            ("[a", "`[` has no closing `]`."),
            ("a)", "`)` has no opening `(`."),
            ("*a", "nothing to repeat"),
            ("a**", "A repetition cannot be repeated"),
            ("[z-a]", "is reversed"),
            ("a\\", "ends with a single backslash"),
            ("a{1001}", "The limit is 1,000 times"),
            ("((a{100}){100}){100}", "The limit is 1,000 times"),
            ("(?P<a b>x)", "Write a named group as `(?P<name>…)`"),
            ("\\pL{200}", "It is too large."),
            ("a" * 1001, "at most 1,000 characters"),
            ("a\\Cb", "a single byte"),
            ("\ud800", "half of a surrogate pair"),
        ],
    )
    def test_what_cannot_be_used_is_refused_in_a_sentence(self, text, message):
        assert message in refused(text)

    def test_a_complaint_without_a_sentence_is_passed_on(self):
        found = patterns._explain(ValueError(b"odd repetition: a"))

        assert found == "This is not a valid pattern: odd repetition: a."

    def test_an_escaped_backslash_before_a_letter_is_no_escape_of_that_letter(self):
        assert Pattern.compile(r"a\\C").group("a\\C") == "a\\C"

    def test_groups_are_counted_and_named(self):
        pattern = Pattern.compile("(a)(?P<second>b)(?:c)(?P<third>d)?")

        assert (pattern.groups, pattern.names) == (3, ("second", "third"))
        assert [group for group in (0, 1, 3, 4, -1, "second", "a") if pattern.has_group(group)] == [
            0,
            1,
            3,
            "second",
        ]


class TestGroup:
    @pytest.mark.parametrize(
        ("pattern", "text", "group", "found"),
        [
            ("b+", "abbb", 0, "bbb"),
            ("(a)(b)?", "a", 1, "a"),
            ("(a)(b)?", "a", 2, None),
            ("(?P<n>[0-9]+)", "x42", "n", "42"),
            ("z", "abc", 0, None),
            ("é(.)", "aé😀b", 1, "😀"),
            ("(?i)É", "é", 0, "é"),
        ],
    )
    def test_it_gives_a_group_of_the_first_match(self, pattern, text, group, found):
        assert Pattern.compile(pattern).group(text, group) == found

    def test_a_long_group_is_refused(self):
        with pytest.raises(PatternLimit) as caught:
            Pattern.compile("(?s).*").group("x" * 1_048_577)

        assert caught.value.code == "output_too_large"


class TestAll:
    @pytest.mark.parametrize(
        ("pattern", "text", "found"),
        [
            ("[0-9]+", "1 22 x 333", ["1", "22", "333"]),
            ("(a)(b)?", "aba", [["a", "b"], ["a", None]]),
            ("([a-z])=([0-9])", "a=1,b=2", [["a", "1"], ["b", "2"]]),
            ("x*", "axa", ["", "x", "", ""]),
            ("z", "abc", []),
            ("", "", [""]),
        ],
    )
    def test_it_gives_every_match_or_its_groups(self, pattern, text, found):
        assert Pattern.compile(pattern).all(text) == found

    @pytest.mark.slow
    @pytest.mark.parametrize("pattern", [".", "(.)(?:.)?"])
    def test_too_many_or_too_long_matches_are_refused(self, pattern):
        with pytest.raises(PatternLimit):
            Pattern.compile(pattern).all("é" * 400_000)

    def test_the_number_of_matches_is_bounded(self, monkeypatch):
        monkeypatch.setattr(patterns, "MAX_MATCHES", 10)

        assert len(Pattern.compile("a").all("a" * 10)) == 10
        with pytest.raises(PatternLimit, match="more than 10 matches"):
            Pattern.compile("a").all("a" * 11)


class TestReplace:
    @pytest.mark.parametrize(
        ("pattern", "text", "replacement", "made"),
        [
            ("[0-9]", "a1b2", "#", "a#b#"),
            ("([a-z])([0-9])", "a1b2", r"\2\1", "1a2b"),
            ("(?P<word>[a-z]+)", "ab cd", r"<\g<word>>", "<ab> <cd>"),
            ("(a)(b)?", "ab a", r"[\1\2]", "[ab] [a]"),
            ("a", "a", r"\\1", r"\1"),
            ("a", "bab", "", "bb"),
            ("(a)", "a", r"\g<0>\g<1>0", "aa0"),
            ("z", "abc", "x", "abc"),
            ("é", "aéb", "{{env.KEY}}", "a{{env.KEY}}b"),
        ],
    )
    def test_every_match_is_replaced(self, pattern, text, replacement, made):
        compiled = Pattern.compile(pattern)

        assert compiled.replace(text, compiled.replacement(replacement)) == made

    @pytest.mark.parametrize(
        ("replacement", "message"),
        [
            (r"\2", "The pattern has no group `2`. It has 1 group."),
            (r"\g<name>", "The pattern has no group `name`. It has 1 group."),
            (r"\g<99999>", "The pattern has no group `99999`."),
            (r"\n", r"`\n` is not valid in a replacement."),
            ("a\\", "is not valid in a replacement."),
            (r"\0", r"`\0` is not valid"),
            ("a" * 10_001, "at most 10,000 characters"),
        ],
    )
    def test_a_replacement_is_checked_against_the_pattern(self, replacement, message):
        with pytest.raises(PatternSyntaxError) as caught:
            Pattern.compile("(a)").replacement(replacement)

        assert message in caught.value.message

    def test_a_pattern_without_groups_is_told_how_to_get_one(self):
        with pytest.raises(
            PatternSyntaxError, match=r"It has no groups\. Put `\(…\)` around a part"
        ):
            Pattern.compile("a").replacement(r"\1")

    @pytest.mark.parametrize(
        ("text", "replacement"), [("a" * 2_000, "x" * 1_000), ("a" + "b" * 1_048_576, "x")]
    )
    def test_a_long_result_is_refused(self, text, replacement):
        pattern = Pattern.compile("a")

        with pytest.raises(PatternLimit, match="larger than 1,048,576 bytes"):
            pattern.replace(text, pattern.replacement(replacement))


class TestWork:
    @pytest.mark.parametrize(
        ("pattern", "text"),
        [("(a*)*b", "a" * 1_000_000), ("(x+x+)+y", "x" * 1_000_000), ("(a|a)*b", "a" * 1_000_000)],
    )
    def test_what_makes_others_backtrack_takes_milliseconds(self, pattern, text):
        with cpu_limit(0.2):
            assert Pattern.compile(pattern).group(text) is None

    @pytest.mark.parametrize("text", ["ab" * 500_000, "é" * 300_000])
    def test_a_large_pattern_is_not_tried_on_a_long_text(self, text):
        pattern = Pattern.compile("b.{400}c")

        with cpu_limit(0.1):
            for call in (
                pattern.group,
                pattern.all,
                lambda text: pattern.replace(text, pattern.replacement("x")),
            ):
                with pytest.raises(PatternLimit, match="too long for this pattern"):
                    call(text)

    def test_matches_that_read_the_rest_of_the_text_again_each_time_end_by_the_clock(
        self, monkeypatch
    ):
        monkeypatch.setattr(patterns, "MAX_SECONDS", 0.05)
        pattern = Pattern.compile("(?s)a.*b|a")

        with cpu_limit(0.5), pytest.raises(PatternLimit, match="takes too long"):
            pattern.all("a" * 19_000 + "c" * 900_000)


class TestPatterns:
    @given(
        st.text(max_size=30),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        st.text(max_size=10),
    )
    def test_any_text_is_a_pattern_or_is_refused(
        self, text: str, subject: str, replacement: str
    ) -> None:
        try:
            pattern = Pattern.compile(text)
            made = pattern.replacement(replacement)
        except PatternSyntaxError:
            return
        found: Any = pattern.all(subject)
        assert isinstance(found, list)
        assert isinstance(pattern.replace(subject, made), str)

    @given(
        st.text("[]^.\\:Qa-E(|)", max_size=12),
        st.text("[]^.\\:Qa-E(|)", max_size=8),
    )
    @example("[.", "a")
    @example("[].", "a")
    @example("[\\.", "a")
    def test_another_dot_changes_nothing_for_texts_of_one_line(
        self, text: str, subject: str
    ) -> None:
        try:
            regex = compile_regex(text)
        except PatternSyntaxError:
            with pytest.raises(PatternSyntaxError):
                compile_regex(text, dot=r"[^\n\r]")
            return
        other = compile_regex(text, dot=r"[^\n\r]")
        assert other.matches(subject) == regex.matches(subject)
        assert (other.search(subject) is None) == (regex.search(subject) is None)
