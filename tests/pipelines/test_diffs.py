import copy
import difflib
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.json import Json
from stepiq.pipelines.definitions.diffs import FieldChange, changes, unified
from tests.support.pace import cpu_limit

NAMES = ("a/x", "b/x")
line = st.sampled_from(["", "a", "b", "c", "- d", "+ e", "@@ f", "\\ g", "h\r", "i\x85j"])
text = st.builds(
    lambda lines, end: "\n".join(lines) + end,
    st.lists(line, max_size=40),
    st.sampled_from(["", "\n"]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.lists(
            st.tuples(st.sampled_from("xyz"), inner), max_size=3, unique_by=lambda item: item[0]
        ).map(lambda items: [{"id": name, "v": value} for name, value in items])
    ),
    max_leaves=12,
)


def patched(before, diff):
    """What `diff` makes of a text, read as strictly as it is written."""
    old = before.split("\n")
    old = [f"{part}\n" for part in old[:-1]] + ([old[-1]] if old[-1] else [])
    new, at, left = [], 0, [0, 0]
    lines = [f"{part}\n" for part in diff.split("\n")[:-1]][2:]
    for index, shown in enumerate(lines):
        head = re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@\n", shown)
        unended = lines[index + 1 : index + 2] == ["\\ No newline at end of file\n"]
        body = shown[1:-1] if unended else shown[1:]
        if head and left == [0, 0]:
            start = int(head[1]) - (int(head[2]) > 0)
            new += old[at:start]
            at, left = start, [int(head[2]), int(head[4])]
            assert len(new) == int(head[3]) - (int(head[4]) > 0)
        elif shown.startswith("\\ No newline"):
            continue
        else:
            mark = shown[0]
            if mark != "+":
                assert old[at] == body
                at += 1
                left[0] -= 1
            if mark != "-":
                new.append(body)
                left[1] -= 1
    return "".join(new + old[at:])


class TestUnified:
    def test_it_is_what_diff_writes(self):
        before = "".join(f"line {n}\n" for n in range(30))
        after = before.replace("line 4\n", "line four\n").replace("line 20\n", "")

        expected = difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), *NAMES
        )
        assert unified(before, after, NAMES) == "".join(expected)

    def test_equal_texts_have_none(self):
        assert unified("a\n", "a\n", NAMES) == ""

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("a\nb\nc\n", "a\nB\nc\n"),
            ("a", "a\n"),
            ("a\n", "a"),
            ("", "a\n"),
            ("a\n", ""),
            ("".join(f"{n}\n" for n in range(50)), "".join(f"{n}\n" for n in range(0, 50, 7))),
        ],
    )
    def test_git_applies_it(self, tmp_path, before, after):
        (tmp_path / "x").write_text(before)
        (tmp_path / "diff").write_text(unified(before, after, NAMES))

        subprocess.run(["git", "apply", "--unidiff-zero", "diff"], cwd=tmp_path, check=True)

        assert (tmp_path / "x").read_text() == after

    @given(text, text)
    def test_applied_to_the_earlier_text_it_gives_the_later(self, before, after):
        diff = unified(before, after, NAMES)

        assert (patched(before, diff) if diff else before) == after

    @given(st.lists(line, max_size=30), st.lists(line, max_size=30))
    def test_it_is_no_longer_than_needed(self, old, new):
        before, after = ("".join(f"{each}\n" for each in lines) for lines in (old, new))
        shown = unified(before, after, NAMES).split("\n")[2:]
        changed = sum(shown_line[:1] in ("-", "+") for shown_line in shown)

        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        same = sum(block.size for block in matcher.get_matching_blocks())
        assert changed <= len(old) + len(new) - 2 * same

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("a\n" * 100_000, "b\na\n" * 50_000),
            (
                "".join(f"{n % 300}\n" for n in range(60_000)),
                "".join(f"{n % 301}\n" for n in range(60_000)),
            ),
            (
                "".join(f"{n}\n" for n in range(40_000)),
                "".join(f"{n}\n" for n in range(40_000, 0, -1)),
            ),
        ],
        ids=["repeated", "out of step", "reversed"],
    )
    def test_the_largest_texts_take_no_time_to_speak_of(self, before, after):
        with cpu_limit(5):
            diff = unified(before, after, NAMES)

        assert diff.startswith("--- a/x\n+++ b/x\n@@ ")


class TestChanges:
    def test_fields_are_added_removed_and_replaced(self):
        before = {"name": "A", "old": 1, "steps": [{"id": "a", "prompt": "x"}]}
        after = {"name": "B", "steps": [{"id": "a", "prompt": "y"}], "new": None}

        assert changes(before, after) == [
            FieldChange("remove", "old", before=1),
            FieldChange("replace", "name", "A", "B"),
            FieldChange("replace", "steps[0].prompt", "x", "y"),
            FieldChange("add", "new", after=None),
        ]

    def test_a_step_in_front_changes_no_other(self):
        steps: list[Json] = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}]

        found = changes({"steps": steps}, {"steps": [{"id": "new"}, *steps]})

        assert found == [FieldChange("add", "steps[0]", after={"id": "new"})]

    def test_a_removed_step_is_named_by_its_place_in_the_earlier_version(self):
        steps: list[Json] = [{"id": "a"}, {"id": "b"}, {"id": "c", "prompt": "x"}]

        found = changes({"steps": steps}, {"steps": [steps[0], {"id": "c", "prompt": "y"}]})

        assert found == [
            FieldChange("remove", "steps[1]", before={"id": "b"}),
            FieldChange("replace", "steps[1].prompt", "x", "y"),
        ]

    def test_another_order_is_one_change(self):
        steps: list[Json] = [{"id": "a"}, {"id": "b"}, {"id": "c"}]

        assert changes({"steps": steps}, {"steps": steps[::-1]}) == [
            FieldChange("move", "steps", ["a", "b", "c"], ["c", "b", "a"])
        ]

    def test_other_lists_are_compared_by_place(self):
        assert changes({"l": [1, 2, 3]}, {"l": [1, 5]}) == [
            FieldChange("replace", "l[1]", 2, 5),
            FieldChange("remove", "l[2]", before=3),
        ]
        assert changes({"l": [{"id": "a"}, {"id": "a"}]}, {"l": [{"id": "a"}]}) == [
            FieldChange("remove", "l[1]", before={"id": "a"})
        ]

    @pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, 1.0), ([], {})])
    def test_values_of_other_kinds_differ(self, before, after):
        assert changes({"a": before}, {"a": after}) == [FieldChange("replace", "a", before, after)]

    @given(json_values, json_values)
    def test_there_are_none_exactly_between_equals(self, before, after):
        def same(one, other):
            return repr(sort(one)) == repr(sort(other))

        def sort(value):
            if isinstance(value, dict):
                return {key: sort(value[key]) for key in sorted(value)}
            return [sort(item) for item in value] if isinstance(value, list) else value

        assert changes(before, copy.deepcopy(before)) == []
        assert (changes(before, after) == []) == same(before, after)
