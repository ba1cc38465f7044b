"""Outputs that a caller provides are checked by the names under which they are given."""

import pytest

from stepiq.execution.admission import given_outputs
from stepiq.language.definitions.loading import compile_document
from stepiq.language.schemas.work import ValidationMeter

pytestmark = pytest.mark.one_store

DEFINITION = compile_document(
    {
        "name": "Both",
        "steps": [
            {
                "id": "both",
                "type": "parallel",
                "steps": [
                    {
                        "id": "left",
                        "steps": [
                            {"id": "first", "type": "transform", "template": "x"},
                            {
                                "id": "last",
                                "model": "openai/gpt-4o-mini",
                                "prompt": "x",
                                "output_schema": {"type": "array"},
                            },
                        ],
                    },
                    {
                        "id": "right",
                        "steps": [{"id": "other", "type": "transform", "template": "x"}],
                    },
                ],
            },
            {"id": "after", "type": "transform", "template": "x"},
        ],
    }
)


class TestCheck:
    def test_the_output_of_a_branch_is_that_of_its_last_step(self):
        found = given_outputs.check(DEFINITION, {"left": "x"}, ValidationMeter())

        assert [issue.path for issue in found["last", "left"]] == ["outputs.left"]

    def test_outputs_without_a_step_are_left_out(self):
        outputs = {"after": "x", "absent": "x"}

        assert given_outputs.check(DEFINITION, outputs, ValidationMeter()) == {
            ("after", "after"): ()
        }
