import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepiq.language.documents.source import SourceFormat, read
from stepiq.pipelines.definitions.rendering import to_yaml

# What `core.json` lets in: no U+0000, no lone surrogates, only finite numbers.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
DOCUMENTS = st.dictionaries(
    TEXT,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


LOOKALIKES = [
    "0o14",
    "1e3",
    "0x1F",
    "1_000",
    "12:30",
    "no",
    "Null",
    "~",
    "2024-01-01",
    "<<",
    "",
    " x ",
]
LOOKALIKES += ["a: b", "- x", "#x", "&a", "*a", "!x", "%x", "@x", "`x", "'", '"', "\\", "---", "="]


class TestToYaml:
    @pytest.mark.slow
    @settings(max_examples=300, deadline=None)
    @given(DOCUMENTS)
    @example({"": 1})
    @example({"a\nb": {"": []}})
    @example({"a" * 200: [{}]})
    def test_it_reads_back_as_the_same_document(self, document):
        found = read(to_yaml(document), SourceFormat.YAML)

        assert found.issues == ()
        assert found.data == document
        assert isinstance(found.data, dict)
        assert [type(value) for value in found.data.values()] == [
            type(value) for value in document.values()
        ]

    @pytest.mark.parametrize("text", LOOKALIKES)
    def test_texts_that_look_like_something_else_stay_texts(self, text):
        assert read(to_yaml({"a": text}), SourceFormat.YAML).data == {"a": text}

    def test_it_is_written_as_people_write_it(self):
        document = {
            "name": "Daily digest",
            "steps": [{"id": "a", "prompt": "One\n  Two\n", "temperature": 0.5}],
        }

        assert to_yaml(document) == (
            "name: Daily digest\n"
            "steps:\n"
            "  - id: a\n"
            "    prompt: |\n"
            "      One\n"
            "        Two\n"
            "    temperature: 0.5\n"
        )
