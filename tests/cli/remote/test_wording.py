"""Messages of the API in the words of the commands."""

from uuid import UUID

import pytest

from stepiq.cli.remote.failures import in_commands
from stepiq.core.errors import StepIQError
from stepiq.pipelines.errors import (
    PipelineArchived,
    PipelineNotFound,
    PipelinePaused,
    SlugTaken,
    WebhookPaused,
)
from stepiq.runs.errors import StepNotFound, TooManyStreams
from stepiq.runs.reviews.errors import ReviewNotEditable, ReviewNotFound
from stepiq.store.states import PipelineStatus
from stepiq.web.validation import malformed_id

_ID = UUID("01890000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PipelineNotFound("gret"), "use `stepiq pipelines list`."),
        (PipelineNotFound(_ID, is_archived=True), "or with `stepiq apply`."),
        (PipelineArchived(_ID), "Restore it first: in its settings in the web interface, or "),
        (PipelinePaused(_ID, "full"), "Resume it first: on its page in the web interface."),
        (WebhookPaused(_ID), "on its page in the web interface."),
        (SlugTaken("greet", PipelineStatus.ARCHIVED), "or with `stepiq apply`. Or choose "),
        (ReviewNotFound(_ID), "use `stepiq reviews list`."),
        (ReviewNotEditable(), "Omit `--output`."),
        (StepNotFound(_ID), "use `stepiq runs show RUN`."),
        (TooManyStreams("Full.", 1), "poll `stepiq runs show RUN` instead."),
        (malformed_id([{"loc": ("path", "run_id"), "input": "a"}]), "use `stepiq runs list`."),
    ],
)
def test_commands_replace_routes_and_fields(error: StepIQError, words: str):
    said = in_commands(error.message)

    assert words in said
    assert "/api/" not in said


def test_other_routes_stay():
    message = "Use GET /api/pipelines/ID/versions or GET /api/runs/ID/steps/STEP."

    assert in_commands(message) == message
