from pathlib import Path

import pytest

from stepiq.cli.output.console import UsageError
from stepiq.cli.pipelines.inputs import build_input, declared_types, explain_invalid
from stepiq.core.json import Json
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat


def definition(schema: str = "") -> Definition:
    text = f"name: T\ninput: {{schema: {schema or '{}'}}}\nsteps: [{{id: a, type: transform, template: x}}]"
    found = load(text, SourceFormat.YAML).definition
    assert found is not None
    return found


def refusal(schema: str, data: dict[str, Json]) -> InputInvalid:
    with pytest.raises(InputInvalid) as caught:
        definition(schema).input.validate(data)
    return caught.value


SHORT = "{text: {type: string}, count: {type: integer}, tags: {type: array}}"
CLOSED = "{type: object, properties: {text: {type: string}}, additionalProperties: false}"
LONG = (
    "{type: object, properties: {either: {type: [string, 'null']}, count: {type: number}, any: {}}}"
)


class TestDeclaredTypes:
    def test_the_short_form_has_one_type_a_field(self):
        assert declared_types(definition(SHORT)) == {
            "text": {"string"},
            "count": {"integer"},
            "tags": {"array"},
        }

    def test_the_long_form_may_have_several_or_none(self):
        assert declared_types(definition(LONG)) == {
            "either": {"string", "null"},
            "count": {"number"},
        }

    def test_without_a_schema_nothing_is_declared(self):
        found = load(
            "name: T\nsteps: [{id: a, type: transform, template: x}]", SourceFormat.YAML
        ).definition
        assert found is not None

        assert declared_types(found) == {}


class TestExplainInvalid:
    def test_each_missing_field_is_an_option_to_add(self, capsys: pytest.CaptureFixture[str]):
        schema = "{text: {type: string, required: true}, count: {type: integer, required: true}}"

        explain_invalid(refusal(schema, {}))

        assert capsys.readouterr().err.splitlines()[-1] == "Add --input text=… --input count=…"

    @pytest.mark.parametrize(
        ("schema", "data"),
        [
            (SHORT, {"count": "3"}),
            ("{text: {type: string, required: true}}", {"txt": "x"}),
            ("{type: object, properties: {a: {type: object, required: [b]}}}", {"a": {}}),
        ],
    )
    def test_other_problems_need_no_option(self, capsys: pytest.CaptureFixture[str], schema, data):
        explain_invalid(refusal(schema, data))

        assert "Add --input" not in capsys.readouterr().err


class TestBuildInput:
    @pytest.mark.parametrize(
        ("pair", "expected"),
        [
            ("text=3", {"text": "3"}),
            ("text=a=b", {"text": "a=b"}),
            ("text=", {"text": ""}),
            ("count=3", {"count": 3}),
            ('tags=["a"]', {"tags": ["a"]}),
            ('text:="3"', {"text": "3"}),
        ],
    )
    def test_a_pair_is_text_unless_declared_or_written_otherwise(self, pair, expected):
        assert build_input(definition(SHORT), [pair], None) == expected

    def test_an_at_sign_reads_a_text_file(self, tmp_path: Path):
        (tmp_path / "mail.txt").write_bytes(b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe\n")
        (tmp_path / "tags.json").write_text('["a"]')

        assert build_input(
            definition(SHORT),
            [f"text=@{tmp_path}/mail.txt", f"tags=@{tmp_path}/tags.json"],
            None,
        ) == {"text": "Grüße\n", "tags": ["a"]}

    def test_two_at_signs_are_one(self):
        assert build_input(definition(SHORT), ["text=@@anna"], None) == {"text": "@anna"}

    @pytest.mark.parametrize("content", [b"%PDF-1.7\n\xe2\xe3", b"PK\0"])
    def test_a_file_that_is_no_text_is_refused_with_what_is_planned(
        self, tmp_path: Path, content: bytes
    ):
        file = tmp_path / "r.pdf"
        file.write_bytes(content)

        with pytest.raises(UsageError) as caught:
            build_input(definition(SHORT), [f"text=@{file}"], None)

        assert caught.value.message == (
            f"--input text: {file} is not a text file in UTF-8. Other files, such as PDFs and pictures, are not"
            " supported yet: see `stepiq docs roadmap`."
        )

    def test_a_missing_file_of_a_pair_is_named_with_the_way_to_write_an_at_sign(self):
        with pytest.raises(UsageError) as caught:
            build_input(definition(SHORT), ["text=@anna"], None)

        assert caught.value.message == (
            "--input text: File anna does not exist. Give the name of a text file, or - to read from standard input."
            " To start a text with `@`, write `@@`."
        )

    def test_text_is_text_where_a_string_is_one_of_several_types(self):
        assert build_input(definition(LONG), ["either=3", "count=2.5"], None) == {
            "either": "3",
            "count": 2.5,
        }

    def test_what_a_schema_leaves_open_is_taken(self):
        assert build_input(definition(LONG), ["more=3", "less:=3"], None) == {
            "more": "3",
            "less": 3,
        }

    @pytest.mark.parametrize("schema", [SHORT, CLOSED])
    def test_a_misspelled_field_is_refused_with_the_nearest_name(self, schema: str):
        with pytest.raises(UsageError, match=r"^--input txet: .* Did you mean `text`\?$"):
            build_input(definition(schema), ["txet=x"], None)

    def test_a_name_like_no_field_is_refused_with_all_fields(self):
        with pytest.raises(UsageError, match=r"no input field `zzz`.*`count`, `tags`, `text`\.$"):
            build_input(definition(SHORT), ["zzz=x"], None)

    def test_a_field_that_is_given_twice_is_refused(self):
        with pytest.raises(UsageError, match="--input a is given twice"):
            build_input(None, ["a=1", "a:=2"], None)

    def test_a_pair_goes_before_the_file(self, tmp_path: Path):
        file = tmp_path / "input.json"
        file.write_text('{"text": "file", "count": 1}')

        assert build_input(definition(SHORT), ["count=2"], file) == {"text": "file", "count": 2}

    @pytest.mark.parametrize("pair", ["text", "=x", ":=3", " =x"])
    def test_a_pair_without_a_name_or_a_value_is_refused(self, pair):
        with pytest.raises(UsageError, match="lacks a name or a value"):
            build_input(definition(SHORT), [pair], None)

    @pytest.mark.parametrize(
        ("pair", "message"),
        [
            ("count=abc", "--input count: `count` must be an integer, but it is `abc`."),
            ("ready=ja", "--input ready: `ready` must be true or false, but it is `ja`."),
            ("count=", "--input count: `count` must be an integer, but it is empty."),
            (
                "count=.5",
                "--input count: `count` must be an integer, written as JSON. `.5` is not valid JSON: "
                "a number must begin with a digit or a minus sign.",
            ),
            (
                "tags=[1",
                "--input tags: `tags` must be a list, written as JSON. `[1` is not valid JSON: "
                "the text ends inside a list. A closing `]` is missing.",
            ),
        ],
    )
    def test_what_is_not_json_names_the_declared_type(self, pair, message):
        schema = "{count: {type: integer}, ready: {type: boolean}, tags: {type: array}}"

        with pytest.raises(UsageError) as caught:
            build_input(definition(schema), [pair], None)

        assert caught.value.message == message

    @pytest.mark.parametrize(
        ("pair", "reason"),
        [
            ("x:=abc", "a value is missing. Text must be in double quotes."),
            ('text:="\\ud83d"', "an escape such as \\ud83d is half of a character."),
            ('x:={"a":1,"a":2}', "occurs twice"),
        ],
    )
    def test_json_that_cannot_be_read_has_the_reason_and_the_form(self, pair, reason):
        with pytest.raises(UsageError) as caught:
            build_input(definition(LONG), [pair], None)

        assert "is not valid JSON: " in caught.value.message
        assert reason in caught.value.message
        assert caught.value.message.endswith("such as --input count:=3.")

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("[1]", "must contain a JSON object"),
            ("{", r"input\.json: Invalid JSON at line 1"),
            ('{"a":1,"a":2}', "occurs twice"),
        ],
    )
    def test_a_file_that_is_no_json_object_is_refused(self, tmp_path: Path, content, expected):
        file = tmp_path / "input.json"
        file.write_text(content)

        with pytest.raises(UsageError, match=expected):
            build_input(definition(SHORT), [], file)

    def test_a_missing_file_is_named(self, tmp_path: Path):
        with pytest.raises(UsageError, match=r"File .*missing\.json does not exist"):
            build_input(definition(SHORT), [], tmp_path / "missing.json")
