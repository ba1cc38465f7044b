"""Reviews of runs without a server."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command, write

REVIEW = """\
name: Reviewed
steps:
  - {id: draft, type: transform, template: a draft}
  - {id: check, type: human_review, message: Is it good?}
  - {id: after, type: transform, template: "{{steps.check.output.decision}}"}
"""


@pytest.fixture
def reviewed(tmp_path: Path) -> str:
    return str(write(tmp_path, REVIEW))


@pytest.mark.slow
class TestReviews:
    async def test_they_are_answered_as_the_command_line_says(
        self, command: Command, reviewed: str
    ):
        said = await command("run", reviewed, "--review", "approve")

        assert (said.code, said.out) == (0, "approve\n")
        assert "  check: approve\n" in said.err

    async def test_a_rejection_fails_the_run(self, command: Command, reviewed: str):
        said = await command("run", reviewed, "--review", "reject", "--json")

        assert said.code == 1
        assert json.loads(said.out)["error"]["code"] == "review_rejected"

    async def test_without_a_terminal_nobody_can_be_asked(self, command: Command, reviewed: str):
        said = await command("run", reviewed)

        assert (said.code, said.out) == (2, "")
        assert "Step `check` waits for a review" in said.err
        assert "--review approve" in said.err
