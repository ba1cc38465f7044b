import pytest

from stepiq.cli.output.progress import Labels
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat

DEFINITION = load(
    """\
    name: T
    steps:
      - {id: first, prompt: x}
      - id: each
        type: parallel
        for_each: "[1, 2]"
        on_branch_error: continue
        steps:
          - id: both
            type: parallel
            steps:
              - {id: alone, prompt: x}
              - {id: pair, steps: [{id: one, prompt: x}, {id: two, prompt: x, on_error: continue}]}
    """,
    SourceFormat.YAML,
).definition
EVENT = {"branch": "1/1", "iteration": 1}


class TestOf:
    @pytest.mark.parametrize(
        ("step_id", "branch", "expected"),
        [
            ("first", None, "first"),
            ("both", "1", "both (item 1)"),
            ("alone", "0/0", "alone (item 0)"),
            ("one", "1/1", "one (item 1, branch pair)"),
        ],
    )
    def test_a_step_inside_a_parallel_has_its_items_and_branches(self, step_id, branch, expected):
        event = {"step_id": step_id} | ({"branch": branch} if branch else {})

        assert Labels(DEFINITION).of(event) == expected

    def test_a_branch_of_an_unknown_definition_has_numbers(self):
        assert Labels().of({"step_id": "one", "branch": "1/1"}) == "one [1/1]"


class TestContinues:
    @pytest.mark.parametrize(
        ("step_id", "expected"),
        [("first", False), ("both", True), ("one", False), ("two", True), ("other", True)],
    )
    def test_by_on_error_of_the_step_or_on_branch_error_around_it(self, step_id, expected):
        assert Labels(DEFINITION).continues({"step_id": step_id}) is expected
