"""What the readers know is in the schema, and nothing else: whoever adds a field to one of them is told of the other."""

import pytest

from stepiq.language import loading, trigger_fields
from stepiq.language.code_source import CodeLanguage
from stepiq.language.delivery_fields import (
    DELIVER_TYPES,
    METHODS,
    NOTIFICATION_TYPES,
    TARGET_FIELDS,
)
from stepiq.language.input_fields import FIELD_TYPES, INPUT_FIELDS, OPTIONS, TYPED_OPTIONS
from stepiq.language.jumps import JUMP_FIELDS
from stepiq.language.specs import LimitAction, OutputFormat
from stepiq.language.step_fields import COMMON, CONDITION_FIELDS, ON_ERROR, RETRY_FIELDS
from stepiq.language.step_types import step_types
from stepiq.language.targets import VerifyScheme
from stepiq.steps.condition.spec import CASE_FIELDS
from stepiq.steps.human_review import spec as human_review
from stepiq.steps.human_review.spec import ReviewTimeout
from stepiq.steps.parallel.spec import SEQUENCE_FIELDS, BranchError, Merge
from stepiq.steps.transform.spec import REGEX_FIELDS
from stepiq.steps.webhook import spec as webhook
from tests.language.json_schema.conftest import SCHEMA, definition

TYPES = step_types()


def step(step_type: str) -> dict:
    return definition(f"{step_type}_step")["properties"]


def written(node: dict) -> set:
    return set(node["properties"])


def offered(node: dict) -> set:
    """Fields that an editor offers."""
    return {name for name, each in node["properties"].items() if not each.get("doNotSuggest")}


def words(node: dict) -> set:
    return set(node["enum"]) - {None}


class TestDocument:
    def test_it_has_the_fields_of_the_loader(self):
        assert written(SCHEMA) == set(loading.FIELDS)

    @pytest.mark.parametrize(
        ("name", "known"),
        [
            ("input", INPUT_FIELDS),
            ("output", loading.OUTPUT_FIELDS),
            ("notifications", loading.NOTIFICATION_FIELDS),
            ("schedule", trigger_fields.SCHEDULE_FIELDS),
            ("webhook", trigger_fields.WEBHOOK_FIELDS),
        ],
    )
    def test_so_has_each_part(self, name, known):
        assert written(SCHEMA["properties"][name]) == set(known)

    def test_so_has_the_check_of_inbound_webhooks(self):
        verify = SCHEMA["properties"]["webhook"]["properties"]["verify"]

        assert written(verify) == set(trigger_fields.VERIFY_FIELDS)
        assert words(verify["properties"]["scheme"]) == set(VerifyScheme)


class TestInputFields:
    def test_there_is_one_of_each_type(self):
        assert words(definition("input_field")["properties"]["type"]) == set(FIELD_TYPES)

    @pytest.mark.parametrize("kind", FIELD_TYPES)
    def test_a_type_has_all_options_and_offers_those_that_go_with_it(self, kind):
        strangers = {option for option, types in TYPED_OPTIONS.items() if kind not in types}

        assert written(definition(f"{kind}_field")) == set(OPTIONS)
        assert offered(definition(f"{kind}_field")) == set(OPTIONS) - strangers


class TestTargets:
    @pytest.mark.parametrize(
        ("name", "types"),
        [("deliver_target", DELIVER_TYPES), ("notification_target", NOTIFICATION_TYPES)],
    )
    def test_the_types_are_those_of_the_reader(self, name, types):
        assert words(definition(name)["properties"]["type"]) == set(types)
        assert len(definition(name)["allOf"]) == len(types)

    @pytest.mark.parametrize("kind", TARGET_FIELDS)
    def test_each_has_its_fields(self, kind):
        assert written(definition(f"{kind}_target")) == set(TARGET_FIELDS[kind])

    def test_methods_are_those_of_the_reader(self):
        assert words(definition("webhook_target")["properties"]["method"]) == set(METHODS)


class TestSteps:
    @pytest.mark.parametrize("step_type", TYPES)
    def test_each_type_has_its_fields_and_those_of_all(self, step_type):
        assert written(definition(f"{step_type}_step")) == COMMON | TYPES[step_type].fields

    def test_the_types_are_those_that_run(self):
        assert words(definition("step")["properties"]["type"]) == set(TYPES)
        assert len(definition("step")["allOf"]) == len(TYPES)

    def test_a_person_is_not_asked_inside_of_parallel(self):
        inside = set(TYPES) - {"human_review"}

        assert words(definition("inner_step")["properties"]["type"]) == inside
        assert len(definition("inner_step")["allOf"]) == len(inside)

    @pytest.mark.parametrize("step_type", TYPES)
    def test_a_time_limit_is_offered_where_the_reader_takes_one(self, step_type):
        kind = TYPES[step_type]
        takes_one = kind.timeout is not None or "timeout_seconds" in kind.fields

        assert ("timeout_seconds" in offered(definition(f"{step_type}_step"))) == takes_one

    @pytest.mark.parametrize(
        ("node", "known"),
        [
            (definition("retry"), RETRY_FIELDS),
            (definition("on_condition")["items"], CONDITION_FIELDS),
            (definition("on_error")["anyOf"][1], JUMP_FIELDS),
            (step("human_review")["on_reject"]["anyOf"][1], JUMP_FIELDS),
            (step("condition")["cases"]["items"], CASE_FIELDS),
            (step("transform")["regex"], REGEX_FIELDS),
            (definition("sequence"), SEQUENCE_FIELDS),
        ],
        ids=["retry", "on_condition", "on_error", "on_reject", "cases", "regex", "sequence"],
    )
    def test_so_has_each_mapping_in_them(self, node, known):
        assert written(node) == set(known)

    @pytest.mark.parametrize(
        ("node", "known"),
        [
            (definition("output_format"), OutputFormat),
            (definition("on_error")["anyOf"][0], ON_ERROR),
            (definition("on_error")["anyOf"][1]["properties"]["on_limit"], LimitAction),
            (step("parallel")["merge"], Merge),
            (step("parallel")["on_branch_error"], BranchError),
            (step("human_review")["on_timeout"], ReviewTimeout),
            (step("human_review")["on_reject"]["anyOf"][0], human_review.ON_REJECT),
            (step("code")["language"], CodeLanguage),
            (step("webhook")["method"], webhook.METHODS),
        ],
    )
    def test_each_choice_has_all_of_its_words(self, node, known):
        assert words(node) == set(known)
        assert len(node["enumDescriptions"]) == len(node["enum"])
