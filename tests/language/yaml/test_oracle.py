"""Our reader beside another one of YAML 1.2, and beside writers of YAML."""

import json
import re
from typing import Any

import yaml
import yaml12
from hypothesis import example, given
from hypothesis import strategies as st

from stepiq.language.documents.source import SourceFormat, read

PIECES = [
    "a", "b", "x y", "1", "true", "~", "é", "//", '"q"', "'s'", '"a b"', "''", "?x", "-x", ":x", "x:", "x#y", "a:", "b: ",
    "c: 1", "k: v", "- ", "- d", "- - ", "- k: ", "? ", ": ", ":", "-", "[", "]", "{", "}", ",", "|", ">", "|-", ">+", "|2",
    "\n", "\n", "\n", "\n ", "\n  ", "\n    ", "\n\n", "\n- ", "\n  - ", "\na: ", "\n  b: ", " ", "  ", "\t", "\r\n", " #c", "#",
    '"', "'", '\\"', "\\", "\\n", "\\u0041", "a:[b]", "a:{b: c}", "%YAML 1.2\n", "%", "@", "`", "---", "...", "<<", "\u2028", "\x85", "\ufeff",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
NUMBER_ONLY_IN_1_2 = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+|0o[0-7]+")
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")).filter(
        lambda text: not NUMBER_ONLY_IN_1_2.fullmatch(text)
    )
    | st.sampled_from(["a: b", "- a", "x\n\ny ", " z", "#c", "no", "1.5", "{a}", "'", '"', "\t", "\n", "a\n b\n"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab: -#'\"{\n", max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def is_same(ours: Any, theirs: Any) -> bool:
    """Whether two readers give the same data. Theirs has keys of all types; a key of ours is always a text."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return len(ours) == len(theirs) and all(
            (key == other or read(key, SourceFormat.YAML).data == other) and is_same(value, inner)
            for (key, value), (other, inner) in zip(ours.items(), theirs.items(), strict=True)
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(is_same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def is_known_difference(text: str, ours: Any) -> bool:
    """Whether the other reader is wrong about a text, as YAML's specification and a third reader (`yaml` of npm) say."""
    has_tab_behind_mark = re.search(r"[:?] *\t", text) is not None
    is_bare_header = text.rstrip(" \t\r\n").endswith(("|", ">", "|-", ">-", "|+", ">+", "|2", ">2"))
    has_block_text = "|" in text or ">" in text
    starts_with_mark = text.startswith("\ufeff")
    has_unicode_blanks = "\u2028" in text or "\x85" in text
    return (
        has_tab_behind_mark
        or is_bare_header
        or has_unicode_blanks
        or starts_with_mark
        or (has_block_text and isinstance(ours, str))
    )


class TestYaml12:
    @given(TEXTS)
    @example("a: [x,\n  y]")
    @example("{ ?foo: bar }")
    @example("[?x]")
    def test_a_text_that_is_accepted_gives_the_same_data(self, text):
        source = read(text, SourceFormat.YAML)
        if source.issues or is_known_difference(text, source.data):
            return

        documents = yaml12.parse_yaml(text, multi=True)

        assert len(documents) <= 1
        assert is_same(source.data, documents[0] if documents else None), documents

    def test_the_comparison_sees_a_difference(self):
        assert is_same({"1": [None, 1.0]}, {1: [None, 1.0]})
        assert not is_same({"a": [1]}, {"a": [True]})
        assert not is_same({"a": 1}, {"b": 1})


class TestWriters:
    @given(
        DATA,
        st.integers(10, 80),
        st.sampled_from([None, '"', "'", "|", ">"]),
        st.sampled_from([None, True, False]),
    )
    def test_what_pyyaml_writes_comes_out_as_it_went_in(self, value, width, style, is_flow):
        dumper = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
        if style and not is_without_tags(value):
            style = None  # It tags numbers that it writes in quotes.
        text = yaml.dump(
            value,
            Dumper=dumper,
            width=width,
            default_style=style,
            default_flow_style=is_flow,
            sort_keys=False,
            allow_unicode=True,
        )

        source = read(text, SourceFormat.YAML)

        assert source.issues == (), text
        assert repr(source.data) == repr(value), text

    @given(DATA, st.sampled_from([None, 1, "\t"]), st.booleans())
    def test_json_is_yaml(self, value, indent, is_ascii):
        text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)

        source = read(text, SourceFormat.YAML)

        assert source.issues == (), text
        assert repr(source.data) == repr(value), text


def is_without_tags(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(is_without_tags, value.values()))
    if isinstance(value, list):
        return all(map(is_without_tags, value))
    return isinstance(value, str)
