"""The schema of test files accepts what `stepiq test` accepts."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from stepiq.execution.outcomes import FailureCode
from stepiq.language.documents.source import SourceFormat
from stepiq.language.documents.source import read as read_source
from stepiq.trials.json_schema import document
from tests.cli.test_pipeline_tests import EXAMPLES
from tests.docs.pages import blocks, read

URL = "/api/schema/tests.json"


def content(text: str) -> Any:
    return read_source(text, SourceFormat.YAML).data


def errors(content: Any) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(document())
    return [error.message for error in validator.iter_errors(content)]


def one(**fields: Any) -> dict[str, Any]:
    return {"tests": [{"name": "x", **fields}]}


class TestDocument:
    def test_it_is_a_schema(self):
        jsonschema_rs.meta.validate(document())

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
    def test_it_accepts_the_examples(self, path: Path):
        assert errors(content(path.read_text())) == []

    @pytest.mark.parametrize("page", ["docs/testing.md", "skills/stepiq/SKILL.md"])
    def test_it_accepts_the_files_of_the_guides(self, page: str):
        (shown,) = (block for block in blocks(read(page), "yaml") if "tests:\n" in block)

        assert errors(content(shown)) == []

    @pytest.mark.parametrize(
        "content",
        [
            one(given={"a": {"output": None}}),
            one(given={"a": {"outputs": [1, None, {"x": []}]}}),
            one(given={"a": {"decision": "timeout"}}),
            one(given={"a": {"decision": "approve", "comment": "x", "output": 1}}),
            one(expect={"output": None, "steps": {"a": "not_run"}, "check": ["run.output == 1"]}),
            one(expect={"error": "input_invalid"}),
        ],
    )
    def test_it_accepts_what_can_be_run(self, content: Any):
        assert errors(content) == []

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"tests": []},
            {"tests": [{}]},
            one(expects={}),
            one(given={"a": {}}),
            one(given={"a": {"outputt": 1}}),
            one(given={"a": {"error": "nonsense"}}),
            one(given={"a": {"decision": "yes"}}),
            one(expect={"steps": {"a": "done"}}),
            one(expect={"error": "nonsense"}),
            one(expect={"check": "run.output == 1"}),
        ],
    )
    def test_it_refuses_mistakes(self, content: Any):
        assert errors(content)

    def test_editors_explain_each_code(self):
        codes = document()["$defs"]["FailureCode"]

        assert codes["enum"] == list(FailureCode)
        assert all(codes["enumDescriptions"])


@pytest.mark.one_store
class TestRoute:
    async def test_anybody_gets_it(self, client: Any):
        response = await client.get(URL)

        assert response.headers["Content-Type"] == "application/schema+json"
        assert response.json() == document()

    async def test_a_client_that_has_it_gets_no_copy(self, client: Any):
        tag = (await client.get(URL)).headers["ETag"]

        response = await client.get(URL, headers={"If-None-Match": tag})

        assert (response.status_code, response.content) == (304, b"")
