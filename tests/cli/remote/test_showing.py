"""Differences of texts."""

import pytest

from stepiq.cli.remote.deployment.output import unified


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_only_a_line_feed_ends_a_line(character: str):
    before = f"a: 1\nb: x{character}y\nc: 1\n"

    lines = [line.text for line in unified(before, before.replace("a: 1", "a: 2"), "old", "new")]

    assert lines == [
        "--- old",
        "+++ new",
        "@@ -1,3 +1,3 @@",
        "-a: 1",
        "+a: 2",
        f" b: x{character}y",
        " c: 1",
    ]


def test_a_missing_line_feed_at_the_end_is_shown():
    lines = [line.text for line in unified("a\nb", "a\nb\n", "old", "new")]

    assert lines == [
        "--- old",
        "+++ new",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "\\ No newline at end of file",
        "+b",
    ]


def test_equal_texts_have_no_differences():
    assert list(unified("a\n", "a\n", "old", "new")) == []
