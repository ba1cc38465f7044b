"""Examples of reviews and decisions."""

from typing import Any, Final

from stepiq.server.docs.examples.shared import PIPELINE, RUN, STARTED

_EXPIRES: Final = "2026-03-02T10:00:00.018Z"
_DECIDED: Final = "2026-02-27T11:12:41.503Z"
_MESSAGE: Final = "May this brief go out?"
_DRAFT: Final = "Agents are programs that choose their next step."
_EDITED: Final = "Agents are programs that choose what they do next."
_LINK: Final = "AZLwxR06exCMRC9vOp59AQBM0V7cFOl9P6mVh3mYkqRtW8b2JdXn4sLzQe5Gy1Ua"
_REVIEW: Final[dict[str, Any]] = {
    "run_id": RUN,
    "step_id": "check",
    "pipeline_id": PIPELINE,
    "pipeline_name": "Brief on a topic",
    "iteration": 1,
    "message": _MESSAGE,
    "input": _DRAFT,
    "input_is_large": False,
    "editable": True,
    "is_test": False,
    "assignees": ["ada@example.com", "bob@example.com"],
    "requested_at": STARTED,
    "expires_at": _EXPIRES,
}

SHAPES: Final[dict[str, Any]] = {
    "Review": _REVIEW,
    "ReviewDetail": _REVIEW
    | {
        "input_text": _DRAFT,
        "input_schema": {"type": "string"},
        "decision": None,
        "reviewer": None,
        "closed_at": None,
    },
    "ReviewAnswer": {"decision": "approve", "comment": "Shorter now.", "output": _EDITED},
    "ReviewLink": {"token": _LINK},
    "ReviewLinkAnswer": {"token": _LINK, "decision": "reject", "comment": "Too early."},
    "ReviewForLink": {
        "pipeline_name": "Brief on a topic",
        "step_id": "check",
        "message": _MESSAGE,
        "input": _DRAFT,
        "input_text": _DRAFT,
        "input_schema": {"type": "string"},
        "editable": True,
        "reviewer": "ada@example.com",
        "requested_at": STARTED,
        "expires_at": _EXPIRES,
    },
    "ReviewDecided": {
        "decision": "reject",
        "reviewer": "ada@example.com",
        "decided_at": _DECIDED,
    },
}

REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "POST /api/runs/{run_id}/reviews/{step_id}": {
        "application/json": {
            "approve": {"summary": "Approve without changes", "value": {"decision": "approve"}},
            "edit": {"summary": "Approve with an edit", "value": SHAPES["ReviewAnswer"]},
            "reject": {
                "summary": "Reject with a comment",
                "value": {"decision": "reject", "comment": "Too early."},
            },
        }
    },
}
