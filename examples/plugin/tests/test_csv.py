from pathlib import Path

import pytest
from stepiq_csv.handler import InvalidCsv, parse

from stepiq.language.definitions.json_schema import document
from stepiq.language.definitions.loading import load_document

PAGE = Path(__file__).parents[1] / "README.md"


def errors(**fields: object) -> list[str]:
    step = {"id": "rows", "type": "csv", **fields}
    return [issue.message for issue in load_document({"name": "x", "steps": [step]}).errors]


class TestParse:
    def test_lines_become_objects(self):
        assert parse("a,b\n1,2\n\n3,4\n", ",", has_header=True) == [
            {"a": "1", "b": "2"},
            {"a": "3", "b": "4"},
        ]

    def test_quoted_values_can_contain_line_breaks(self):
        assert parse('a;b\n"1\n2";3\n', ";", has_header=False) == [["a", "b"], ["1\n2", "3"]]

    def test_empty_text_has_no_lines(self):
        assert parse("\n", ",", has_header=True) == []

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a,b\n1\n", "Line 2 has 1 values, but the first line has 2."),
            ("a,a\n1,2\n", "The header has a name twice."),
            ('a,b\n"1,2\n', "Line 2 is not valid CSV"),
        ],
    )
    def test_other_text_is_refused(self, text: str, message: str):
        with pytest.raises(InvalidCsv, match=message):
            parse(text, ",", has_header=True)


class TestSpec:
    def test_all_fields_are_optional(self):
        assert errors() == []
        assert errors(input="input.file", delimiter=";", header=False) == []

    def test_mistakes_are_reported_with_what_to_write(self):
        assert errors(delimeter=";") == ["Unknown field `delimeter`. Did you mean `delimiter`?"]
        assert errors(delimiter='"') == ["`delimiter` cannot be a quote or a line break."]


class TestSchema:
    def test_editors_know_the_fields(self):
        step = document()["$defs"]["csv_step"]

        assert {"input", "delimiter", "header"} <= step["properties"].keys()


class TestPage:
    def test_it_names_every_field(self):
        for field in ("input", "delimiter", "header"):
            assert f"| `{field}` |" in PAGE.read_text(encoding="utf-8")
