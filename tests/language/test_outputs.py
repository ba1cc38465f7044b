"""Which values a step can have as its output, by its type."""

from typing import Any

import pytest

from stepiq.core.json import Json
from stepiq.language.definitions.loading import compile_document
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_types import output_issues

SCORE = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
LLM = {"prompt": "x"}
TRANSFORM = {"type": "transform"}
REVIEW = {"type": "human_review", "message": "x"}
REVIEWED = {"decision": "approve", "comment": None, "output": 1, "reviewer": None, "decided_at": "2026-01-01T00:00:00Z"}  # fmt: skip
CONDITION = {"type": "condition", "cases": [{"if": "true", "goto": "end"}]}
WEBHOOK = {"type": "webhook", "url": "https://example.com"}
INNER = {"id": "b", "type": "transform", "template": "x"}


def step(fields: dict[str, Any]) -> Step:
    return compile_document({"name": "T", "steps": [{"id": "a", **fields}]}).steps[0]


class TestOutputIssues:
    @pytest.mark.parametrize(
        ("fields", "output"),
        [
            (LLM, "text"),
            ({**LLM, "output_format": "json"}, {"a": 1}),
            ({**LLM, "output_format": "json"}, "yes"),
            ({**LLM, "output_schema": SCORE}, {"score": 1}),
            ({**TRANSFORM, "template": "x"}, ""),
            ({**TRANSFORM, "template": "{}", "output_format": "json"}, [1]),
            ({**TRANSFORM, "extract": "$.a"}, []),
            ({**TRANSFORM, "extract": "$.a", "first": True}, None),
            ({**TRANSFORM, "regex": {"pattern": "a"}}, None),
            ({**TRANSFORM, "regex": {"pattern": "a", "all": True}}, ["a"]),
            ({**TRANSFORM, "regex": {"pattern": "a", "replace": "b"}}, '{"a": 1}'),
            ({**TRANSFORM, "set": {"n": "1"}}, {"n": 2}),
            ({**TRANSFORM, "set": ["1"]}, [2]),
            (CONDITION, {"matched": None, "goto": "next"}),
            (REVIEW, REVIEWED),
            (WEBHOOK, {"status": 200, "headers": {"a": "b"}, "body": [1]}),
            ({"type": "wait", "seconds": 1}, {"until": "2026-01-01T00:00:00Z"}),
            ({"type": "code", "language": "python", "source": "def main(x):\n  return x"}, "[1]"),
            ({"type": "parallel", "steps": [INNER]}, {"b": "x"}),
            ({"type": "parallel", "steps": [INNER], "merge": "array"}, ["x"]),
            ({"type": "parallel", "steps": [INNER], "merge": "text"}, "x"),
        ],
    )
    def test_what_a_step_can_give_is_accepted(self, fields, output):
        assert output_issues(step(fields), output) == ()

    @pytest.mark.parametrize(
        ("fields", "output", "path", "message"),
        [
            (LLM, {"a": 1}, "outputs.a", "`outputs.a` must be a string; it is an object."),
            ({**LLM, "output_format": "json"}, '{"a": 1}', "outputs.a", "`outputs.a` is a string that contains JSON. Write the JSON without the quotes around it."),
            ({**LLM, "output_schema": SCORE}, {"score": "high"}, "outputs.a.score", "`outputs.a.score` must be an integer; it is a string."),
            ({**LLM, "output_schema": SCORE}, {}, "outputs.a.score", "`outputs.a.score` is required."),
            ({**TRANSFORM, "template": "x"}, None, "outputs.a", "`outputs.a` must be a string; it is null."),
            ({**TRANSFORM, "extract": "$.a"}, {}, "outputs.a", "`outputs.a` must be a list; it is an object."),
            ({**TRANSFORM, "regex": {"pattern": "a"}}, 1, "outputs.a", "`outputs.a` must be null or a string; it is a number."),
            ({**TRANSFORM, "set": {"n": "1"}}, {"m": 2}, "outputs.a.n", "`outputs.a.n` is required."),
            (CONDITION, {"matched": 1, "goto": "end"}, "outputs.a.matched", "`outputs.a.matched` must be one of null, 0."),
            (REVIEW, {**REVIEWED, "decision": "ok"}, "outputs.a.decision", '`outputs.a.decision` must be one of "approve", "reject".'),
            (WEBHOOK, {"status": 200, "headers": {}, "body": 1, "x": 1}, "outputs.a.x", "`outputs.a.x` is not a field of the schema."),
            ({"type": "wait", "seconds": 1}, "later", "outputs.a", "`outputs.a` must be an object; it is a string."),
            ({"type": "parallel", "steps": [INNER]}, [], "outputs.a", "`outputs.a` must be an object; it is a list."),
        ],
    )  # fmt: skip
    def test_everything_else_is_an_issue_with_path_and_message(
        self, fields: dict[str, Any], output: Json, path: str, message: str
    ):
        (issue,) = output_issues(step(fields), output, ("outputs", "a"))

        assert (issue.path, issue.message) == (path, message)
