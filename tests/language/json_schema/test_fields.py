"""What the readers know is in the schema: the parts that do not come from one description."""

import pytest

from stepiq.language.definitions.input_fields import FIELD_TYPES, OPTIONS, TYPED_OPTIONS
from stepiq.language.definitions.step_fields import COMMON
from stepiq.language.definitions.step_types import step_types
from tests.language.json_schema.conftest import definition

TYPES = step_types()


def written(node: dict) -> set:
    return set(node["properties"])


def offered(node: dict) -> set:
    """Fields that an editor offers."""
    return {name for name, each in node["properties"].items() if not each.get("doNotSuggest")}


def words(node: dict) -> set:
    return set(node["enum"]) - {None}


class TestInputFields:
    def test_there_is_one_of_each_type(self):
        assert words(definition("input_field")["properties"]["type"]) == set(FIELD_TYPES)

    @pytest.mark.parametrize("kind", FIELD_TYPES)
    def test_a_type_has_all_options_and_offers_those_that_go_with_it(self, kind):
        strangers = {option for option, types in TYPED_OPTIONS.items() if kind not in types}

        assert written(definition(f"{kind}_field")) == set(OPTIONS)
        assert offered(definition(f"{kind}_field")) == set(OPTIONS) - strangers


class TestTargets:
    def test_the_call_waits_for_deliveries_only(self):
        deliver, notify = definition("deliver_target"), definition("notification_target")

        assert words(deliver["properties"]["type"]) - words(notify["properties"]["type"]) == {"api"}
        assert len(deliver["allOf"]) == len(notify["allOf"]) + 1


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
