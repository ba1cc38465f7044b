"""The bytes that the journal stores and the stream sends. Clients of earlier versions read them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.execution.records import events
from stepiq.runs.streams.listeners import StreamEvent
from stepiq.store.states import RunStatus, StepStatus

RUN = UUID("0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e")
AT = datetime(2026, 2, 27, 10, 0, 4, 500_000, tzinfo=UTC)
ERROR: dict[str, Json] = {"code": "http_error", "message": "The server answered 500."}
STEP = events.execution("ask", "", 1)
INSIDE = events.execution("ask", "2/0", 3)

CASES = [
    (events.run_status(RunStatus.PENDING), '{"status":"pending"}'),
    (
        events.run_status(RunStatus.FAILED, completed_at="now", error={**ERROR, "step_id": None}),
        '{"status":"failed","completed_at":"now","error":{"code":"http_error","message":"The server answered 500.",'
        '"step_id":null}}',
    ),
    (
        events.step_status(StepStatus.RUNNING, STEP, attempt=1, name="Ask", type="llm", model=None),
        '{"step_id":"ask","iteration":1,"status":"running","attempt":1,"name":"Ask","type":"llm","model":null}',
    ),
    (
        events.step_status(StepStatus.FAILED, INSIDE, attempts=2, error=ERROR, goto="end"),
        '{"step_id":"ask","branch":"2/0","iteration":3,"status":"failed","attempts":2,'
        '"error":{"code":"http_error","message":"The server answered 500."},"goto":"end"}',
    ),
    (
        events.step_delta(INSIDE, 2, "é", offset=7),
        '{"step_id":"ask","branch":"2/0","iteration":3,"attempt":2,"offset":7,"text":"é"}',
    ),
    (
        events.step_log(STEP, "info", "hello"),
        '{"step_id":"ask","iteration":1,"level":"info","message":"hello"}',
    ),
    (
        events.review_requested(STEP, "OK?", AT),
        '{"step_id":"ask","iteration":1,"message":"OK?","expires_at":"2026-02-27T10:00:04.500Z"}',
    ),
]


def _frame(event: events.Event, seq: int | None) -> bytes:
    published = events.payload(RUN, event, seq, AT)
    return StreamEvent.of(published["type"], published["seq"], published["data"]).frame


class TestData:
    @pytest.mark.parametrize(("event", "stored"), CASES)
    def test_its_bytes_do_not_change(self, event, stored):
        assert json.dumps(event.data) == stored


class TestPayload:
    def test_the_frame_of_a_recorded_event_has_its_number(self):
        event = events.step_log(STEP, "info", "hello")

        frame = _frame(event, 4)

        assert frame == (
            b"event: step.log\n"
            b'data: {"run_id":"0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e","seq":4,"step_id":"ask","iteration":1,'
            b'"level":"info","message":"hello","created_at":"2026-02-27T10:00:04.500Z"}\n'
            b"id: 4\n\n"
        )

    def test_the_frame_of_streamed_text_has_no_number(self):
        event = events.step_delta(STEP, 1, "hi")

        frame = _frame(event, None)

        assert frame == (
            b"event: step.delta\n"
            b'data: {"run_id":"0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e","step_id":"ask","iteration":1,"attempt":1,'
            b'"offset":0,"text":"hi","created_at":"2026-02-27T10:00:04.500Z"}\n\n'
        )
