"""When the result of a validation before the transaction is used inside it."""

import pytest

from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.definitions.loading import compile_document
from stepiq.runs import examining
from stepiq.runs.examining import Unvalidated

pytestmark = pytest.mark.both_stores


def counting():
    return compile_document(
        {
            "name": "Counting",
            "input": {"schema": {"count": {"type": "integer"}}},
            "steps": [
                {"id": "a", "type": "transform", "template": "x"},
                {"id": "b", "type": "transform", "template": "y"},
            ],
        }
    )


@pytest.fixture
def examined(database):
    """Examines a value."""

    async def examined(given):
        async def find(_session):
            return given

        return await examining.examine(database, find)

    return examined


class TestValidInput:
    async def test_an_input_that_has_changed_is_validated_again(self, examined):
        definition = counting()
        found = await examined(Unvalidated(definition, {"count": 1}))

        # In Python, `1 == True`.
        with pytest.raises(InputInvalid):
            await examining.valid_input(definition, {"count": True}, found)

    async def test_an_equal_input_that_was_read_again_is_not(self, examined):
        definition = counting()
        found = await examined(Unvalidated(definition, {"count": 1}))

        assert await examining.valid_input(definition, {"count": 1}, found) is found.result


class TestCheckedOutputs:
    async def test_outputs_are_checked_again_for_another_version(self, examined):
        definition = counting()
        found = await examined(Unvalidated(definition, {}, {"a": "x"}))

        assert examining.checked_outputs(definition, found) == {("a", "a"): ()}
        assert examining.checked_outputs(counting(), found) == {}
