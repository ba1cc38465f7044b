"""Whatever the loader accepts the schema accepts; typical mistakes are seen by both."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from stepiq.language.definitions.inputs import is_long_form
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from tests.language.json_schema.conftest import SCHEMA, judge

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path for path in ROOT.glob("examples/*.yaml") if not path.stem.endswith(".test"))
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/steps/*.md")])
SMALL: dict[str, Any] = {"name": "Small", "steps": [{"id": "a", "prompt": "Hello"}]}
LONG = "x" * 3_000


def small(**fields: Any) -> dict[str, Any]:
    return {**SMALL, **fields}


def llm(**fields: Any) -> dict[str, Any]:
    return small(steps=[{"id": "a", "prompt": "Hello", **fields}])


def step(step_type: str, **fields: Any) -> dict[str, Any]:
    return small(steps=[{"id": "a", "type": step_type, **fields}])


def parallel(**fields: Any) -> dict[str, Any]:
    return step("parallel", **fields)


def webhook(**fields: Any) -> dict[str, Any]:
    return step("webhook", **{"url": "https://api.example.com/", **fields})


def code(**fields: Any) -> dict[str, Any]:
    return step("code", **{"language": "python", "source": "def main(input): return 1", **fields})


def review(**fields: Any) -> dict[str, Any]:
    return step("human_review", **{"message": "Check it.", **fields})


def schema(**fields: Any) -> dict[str, Any]:
    return small(input={"schema": fields})


def deliver(**target: Any) -> dict[str, Any]:
    return small(output={"deliver": [target]})


INNER = {"id": "b", "prompt": "x"}
SIGNED = {"type": "webhook", "url": "https://e.example/", "signing_secret_name": "KEY"}
JUMP = {"if": "true", "goto": "a", "max_loops": 3, "on_limit": "next"}

ACCEPTED: list[dict[str, Any]] = [
    SMALL,
    small(description="", version=1.0, variables={"a": 1, "b": "x", "c": True, "d": None}),
    small(description=None, version=None, variables=None, input=None, output=None),
    small(timeout_seconds=None, notifications=None, schedule=None, webhook=None),
    small(input={}, output={}, notifications={}, webhook={}),
    small(input={"schema": None}, output={"from": None, "deliver": None}),
    small(notifications={"on_success": None, "on_failure": []}, webhook={"verify": None}),
    small(schedule={"enabled": False}),
    small(schedule={"enabled": None, "cron": "* * * * *", "timezone": ""}),
    small(schedule={"enabled": False, "cron": None, "timezone": None}),
    small(webhook={"verify": {"scheme": "github", "secret_name": "KEY", "header": None}}),
    small(output={"from": "a", "deliver": []}),
    llm(type=None, name=None, model=None, temperature=None, max_tokens=None, output_schema=None),
    llm(retry=None, on_error=None, on_condition=None, output_format=None, timeout_seconds=None),
    llm(type="llm", retry={}, on_error="fail", **{"if": True}),
    llm(retry={"max_attempts": None, "factor": 1.5, "on_timeout": None}),
    llm(on_error={"goto": "end", "max_loops": None, "on_limit": None}, on_condition=[JUMP]),
    llm(fallback_models=["gpt-4o"], output_schema={"type": ["object", "null"], "x-mine": 1}),
    llm(output_schema={}),
    step("transform", template=None, prompt="Hello", input=None, first=None),
    step("transform", extract="$.a", first=True, input="input"),
    step("transform", regex={"pattern": "a", "group": None, "all": None, "replace": ""}),
    step("transform", regex={"pattern": "(?P<a>b)", "group": "a"}, input="input.x"),
    step("transform", set={"a": "1 + 1", "b": [None, True, 3, {"c": "input"}]}),
    step("transform", set=[]),
    step("condition", cases=[{"if": True, "goto": "next"}], **{"else": None}),
    parallel(steps=[{"id": "c", "type": None, "steps": [INNER]}]),
    parallel(steps=[INNER, {"id": "c", "name": None, "steps": [{"id": "d", "prompt": "x"}]}]),
    parallel(for_each="input.list", step=INNER, steps=None, merge=None, max_concurrency=None),
    parallel(for_each=True, step=None, steps=[INNER], timeout_seconds=None),
    parallel(steps=[INNER], for_each=None, step=None, on_branch_error="continue", merge="text"),
    webhook(method=None, headers={"X-A": None, "X-B": "{{env.KEY}}"}, body=None),
    webhook(body={"a": "", "b": [1, None, "{{input}}"]}, expect_status=[200, 404]),
    webhook(body=[], expect_status=204),
    webhook(expect_status=201.0),
    webhook(url="{{input.url}}", method="DELETE", headers={}, expect_status=None),
    webhook(url="https{{input.rest}}"),
    review(input=None, editable=None, assignees=None, timeout_seconds=None, on_reject=None),
    review(assignees="a@example.com", on_reject="fail", on_timeout="reject"),
    review(assignees=["a@b.c", "d@e.f"], on_reject={"goto": "a"}, timeout_seconds=2_592_000),
    step("wait", seconds=0.5, until=None, timeout_seconds=None),
    step("wait", until="{{input.when}}", seconds=None),
    code(input=None),
    code(input={"": "1", "two words": False, "c": None}, timeout_seconds=30),
    code(language="javascript", source="function main(input) { return 1 }", input={}),
    schema(),
    schema(a={"type": "string", "default": None, "pattern": "^a", "max_length": 3.0}),
    schema(a={"type": "string", "minimum": None, "description": "", "enum": ["", "a"]}),
    schema(a={"type": "integer", "default": 3, "minimum": 1.5, "enum": None, "required": None}),
    schema(a={"type": "array", "default": [], "min_length": 0, "required": True}),
    schema(a={"type": "boolean", "default": False}, b={"type": "object", "default": {}}),
    schema(type={"type": "string"}, properties={"type": "object"}, required={"type": "boolean"}),
    schema(type="object", properties={"a": {"type": "string"}, "b": True}, required=["a"]),
    schema(properties={"a": {}}),
    schema(allOf=[{"type": "object"}]),
    schema(additionalProperties=False),
    schema(**{"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}),
    deliver(**SIGNED, method=None, headers=None),
    deliver(**SIGNED, method="PUT", headers={"X-A": "a"}),
    deliver(type="email", to="a@example.com", subject=None),
    deliver(type="slack", url="{{env.SLACK_WEBHOOK_URL}}"),
    deliver(type="teams", url="https://e.example/"),
    deliver(type="api"),
]

MISTAKES: dict[str, dict[str, Any]] = {
    "unknown field": small(stepz=[]),
    "unknown field of a step": llm(promt="x"),
    "field of another type": llm(template="x"),
    "unknown field of retry": llm(retry={"attempts": 3}),
    "unknown field of a case": llm(on_condition=[{**JUMP, "then": "a"}]),
    "unknown field of on_error": llm(on_error={"goto": "end", "retries": 1}),
    "unknown field of input": small(input={"fields": {}}),
    "unknown option": schema(a={"type": "string", "minLength": 3}),
    "unknown field of output": small(output={"to": "a"}),
    "unknown field of a target": deliver(**SIGNED, secret="x"),
    "unknown field of notifications": small(notifications={"on_cancel": []}),
    "unknown field of the schedule": small(schedule={"cron": "* * * * *", "tz": "UTC"}),
    "unknown field of webhook": small(webhook={"secret": "x"}),
    "field of later versions": llm(agent={"max_turns": 3}),
    "no name": {"steps": SMALL["steps"]},
    "null name": small(name=None),
    "no steps": {"name": "x"},
    "empty steps": small(steps=[]),
    "no id": small(steps=[{"prompt": "x"}]),
    "no prompt": small(steps=[{"id": "a"}]),
    "null prompt": llm(prompt=None),
    "transform without anything": step("transform"),
    "no pattern": step("transform", regex={"group": 1}),
    "no cases": step("condition"),
    "case without goto": step("condition", cases=[{"if": "true"}]),
    "case without if": llm(on_condition=[{"goto": "a"}]),
    "on_error without goto": llm(on_error={"max_loops": 3}),
    "parallel without steps": parallel(),
    "parallel of nothing": parallel(steps=[]),
    "for_each without steps": parallel(for_each="input.list"),
    "branch without id": parallel(steps=[{"steps": [INNER]}]),
    "branch without steps": parallel(steps=[{"id": "c", "steps": []}]),
    "sequence in for_each": parallel(for_each="input.list", steps=[{"id": "c", "steps": [INNER]}]),
    "person inside of parallel": parallel(
        steps=[{"id": "b", "type": "human_review", "message": "x"}]
    ),
    "no url": step("webhook"),
    "no message": step("human_review"),
    "wait for nothing": step("wait"),
    "no language": step("code", source="def main(input): return 1"),
    "no source": step("code", language="python"),
    "target without type": deliver(to="a@example.com"),
    "unsigned target": deliver(type="webhook", url="https://e.example"),
    "message without an address": deliver(type="slack"),
    "signed message": deliver(**{**SIGNED, "type": "teams"}),
    "mail to nobody": deliver(type="email"),
    "field without type": schema(a={"required": True}),
    "schedule without cron": small(schedule={"timezone": "UTC"}),
    "null cron": small(schedule={"enabled": True, "cron": None}),
    "verify without secret": small(webhook={"verify": {"scheme": "github"}}),
    "number as name": small(name=3),
    "text as steps": small(steps="a"),
    "text as step": small(steps=["a"]),
    "null as step": small(steps=[None]),
    "mapping as steps": small(steps={"a": {}}),
    "list as prompt": llm(prompt=["x"]),
    "number as if": llm(**{"if": 1}),
    "text as number": llm(temperature="0.5"),
    "fraction as integer": llm(max_tokens=1.5),
    "boolean as integer": llm(timeout_seconds=True),
    "text as boolean": review(editable="yes"),
    "list as variable": small(variables={"a": []}),
    "name of a variable": small(variables={"1a": 1}),
    "text as field": schema(a="string"),
    "default of another type": schema(a={"type": "integer", "default": "3"}),
    "list as schema": llm(output_schema=[]),
    "no schema": llm(output_schema={"type": "text"}),
    "schema of a list": schema(type="array"),
    "number in a body": webhook(body=3),
    "text as status": webhook(expect_status="200"),
    "number as expression in set": step("transform", set=3),
    "empty expression in set": step("transform", set={"a": [""]}),
    "unknown type": small(steps=[{"id": "a", "type": "lmm", "prompt": "x"}]),
    "type of later versions": step("pipeline"),
    "unknown type of a field": schema(a={"type": "text"}),
    "unknown target": deliver(type="discord"),
    "api target of notifications": small(notifications={"on_success": [{"type": "api"}]}),
    "unknown format": llm(output_format="yaml"),
    "unknown word of on_error": llm(on_error="ignore"),
    "unknown word of on_reject": review(on_reject="stop"),
    "unknown method": webhook(method="FETCH"),
    "unknown merge": parallel(steps=[INNER], merge="list"),
    "unknown language": code(language="ruby"),
    "unknown scheme": small(webhook={"verify": {"scheme": "gitlab", "secret_name": "KEY"}}),
    "version 2": small(version=2),
    "option of another type": schema(a={"type": "boolean", "minimum": 1}),
    "time limit of a wait": step("wait", seconds=1, timeout_seconds=5),
    "capital in an id": small(steps=[{"id": "A", "prompt": "x"}]),
    "goto that is no id": llm(on_condition=[{"if": "true", "goto": "A b"}]),
    "space in a model": llm(model="gpt 4o"),
    "space in a header": webhook(headers={"X A": "a"}),
    "line break in a header": webhook(headers={"X-A": "a\nb"}),
    "line break in a subject": deliver(type="email", to="a@b.c", subject="a\nb"),
    "no address": deliver(type="email", to="team"),
    "no address in a list": review(assignees=["a@b.c", "team"]),
    "no url scheme": webhook(url="api.example.com"),
    "name of a secret": deliver(**{**SIGNED, "signing_secret_name": "my-key"}),
    "long name": small(name="x" * 201),
    "long description": small(description="x" * 2_001),
    "long id": small(steps=[{"id": "x" * 65, "prompt": "x"}]),
    "long expression": llm(**{"if": "1 < 2" + " " * 2_000}),
    "long url": webhook(url=f"https://e.example/{LONG}"),
    "long path": step("transform", extract=f"$.{LONG}"),
    "long pattern": step("transform", regex={"pattern": LONG}),
    "long cron": small(schedule={"cron": "* " * 200}),
    "too many steps": small(steps=[{"id": f"s{n}", "prompt": "x"} for n in range(101)]),
    "too many fallbacks": llm(fallback_models=["a"] * 6),
    "too many branches": parallel(steps=[{"id": f"s{n}", "prompt": "x"} for n in range(51)]),
    "too many headers": webhook(headers={f"X-{n}": "a" for n in range(21)}),
    "too many targets": small(output={"deliver": [{"type": "api"}] * 11}),
    "too many inputs of code": code(input={f"x{n}": "1" for n in range(51)}),
    "too hot": llm(temperature=2.1),
    "too long": llm(timeout_seconds=3_601),
    "too long for code": code(timeout_seconds=31),
    "too long a run": small(timeout_seconds=2_592_001),
    "too long a wait": step("wait", seconds=2_592_001),
    "too many attempts": llm(retry={"max_attempts": 11}),
    "too many loops": llm(on_error={"goto": "end", "max_loops": 101}),
    "too much at once": parallel(steps=[INNER], max_concurrency=51),
    "status 600": webhook(expect_status=[200, 600]),
    "too few tokens": llm(max_tokens=0),
    "negative length": schema(a={"type": "string", "min_length": -1}),
}


class TestAccepted:
    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_examples_are_by_both(self, path):
        loaded = load(path.read_text(encoding="utf-8"), SourceFormat.YAML)

        assert judge(loaded.document).by_schema == []

    @pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
    def test_so_is_what_the_guides_show(self, page):
        shown = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        judged = [judge(load(text, SourceFormat.YAML).document) for text in shown]

        assert [each.by_schema for each in judged if each.is_contested] == []

    @pytest.mark.parametrize("document", ACCEPTED, ids=range(len(ACCEPTED)))
    def test_so_is_every_shape_that_a_field_may_have(self, document):
        judged = judge(document)

        assert judged.by_loader == []
        assert judged.by_schema == []


class TestMistakes:
    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_both_refuse(self, mistake):
        judged = judge(MISTAKES[mistake])

        assert judged.by_loader
        assert judged.by_schema


class TestInputForms:
    @pytest.mark.parametrize(
        "fields",
        [
            {"type": "object"},
            {"$schema": "https://json-schema.org/draft/2020-12/schema"},
            {"required": []},
            {"oneOf": [{}]},
            {"properties": {}},
            {"properties": {"a": True, "b": {}}},
            {"additionalProperties": True},
            {"additionalProperties": {"type": "string"}},
            {"properties": {"a": 1}},
            {"properties": {"type": "string"}},
            {"type": {"type": "string"}, "items": {"type": "array"}},
            {},
        ],
    )
    def test_the_schema_tells_them_apart_as_the_reader_does(self, fields):
        condition = SCHEMA["properties"]["input"]["properties"]["schema"]["if"]

        assert jsonschema_rs.is_valid(condition, fields) == is_long_form(fields)
