"""Webhooks as the server signs them, and every way in which a request can be none of them."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.client import AsyncClient, Client, WebhookInvalidError, webhooks
from stepiq.notify import sending
from stepiq.notify.records import EventName

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ID = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"
EVENT: dict[str, Any] = {
    "event": "pipeline.run.completed",
    "pipeline": {"id": ID, "version": 1, "name": "My Pipeline"},
    "run": {
        "id": ID,
        "status": "completed",
        "trigger_type": "webhook",
        "started_at": "2026-02-27T10:00:00.000Z",
        "completed_at": "2026-02-27T10:00:04.000Z",
    },
    "input": {"topic": "AI agents"},
    "output": "…",
    "meta": {"sent_at": "2026-02-27T10:00:04.500Z", "attempt": 1},
}
FAILURE = {"code": "step_failed", "message": "No.", "step_id": "a"}


def signed(
    body: bytes, secret: str = SECRET, *, at: float | None = None
) -> tuple[bytes, dict[str, str]]:
    timestamp = int(time.time() if at is None else at)
    return body, sending.headers(secret, body, delivery_id="d-1", timestamp=timestamp)


def request(**changes: Any) -> tuple[bytes, dict[str, str]]:
    return signed(json.dumps({**EVENT, **changes}).encode())


class TestUnwrap:
    def test_a_completed_run(self):
        event = webhooks.unwrap(*request(), SECRET)

        assert isinstance(event, webhooks.RunCompletedWebhook)
        assert (event.delivery_id, event.run.id, event.output) == ("d-1", ID, "…")
        assert event.meta.sent_at.tzinfo is not None

    def test_a_failed_run(self):
        event = webhooks.unwrap(*request(event="pipeline.run.failed", error=FAILURE), SECRET)

        assert isinstance(event, webhooks.RunFailedWebhook)
        assert event.error.step_id == "a"

    def test_a_test(self):
        event = webhooks.unwrap(*request(event="pipeline.test", test=True), SECRET)

        assert isinstance(event, webhooks.TestWebhook)

    def test_an_event_of_a_newer_server(self):
        event = webhooks.unwrap(*request(event="pipeline.run.paused", more=1), SECRET)

        assert isinstance(event, webhooks.OtherWebhook)
        assert (event.event, event.model_extra) == ("pipeline.run.paused", {"more": 1})

    def test_each_event_of_webhooks_has_its_class(self):
        by_mail_only = {EventName.REVIEW_REQUESTED}
        known = {"pipeline.run.completed", "pipeline.run.failed", "pipeline.test"}

        assert {str(each) for each in set(EventName) - by_mail_only} == known

    def test_two_secrets_during_a_change(self):
        body, headers = request()

        assert webhooks.unwrap(body, headers, ["new", SECRET]).run.id == ID
        assert webhooks.unwrap(body, headers, (SECRET, "new")).run.id == ID

    def test_names_of_headers_in_any_case(self):
        body, headers = request()

        assert webhooks.unwrap(body, {k.upper(): v for k, v in headers.items()}, SECRET).run.id

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_both_clients_have_it(self, kind):
        body, headers = request()

        assert kind("http://a").webhooks.unwrap(body, headers, SECRET).run.id == ID


class TestRefusals:
    def test_another_secret(self):
        with pytest.raises(WebhookInvalidError, match="does not match"):
            webhooks.unwrap(*request(), "other")

    def test_a_changed_body(self):
        body, headers = request()

        with pytest.raises(WebhookInvalidError, match="does not match"):
            webhooks.unwrap(body + b" ", headers, SECRET)

    @pytest.mark.parametrize("seconds", [-400, 400])
    def test_a_signature_of_another_time(self, seconds):
        body, headers = signed(json.dumps(EVENT).encode(), at=time.time() + seconds)

        with pytest.raises(WebhookInvalidError, match="300 seconds old or ahead"):
            webhooks.unwrap(body, headers, SECRET)
        assert webhooks.unwrap(body, headers, SECRET, tolerance=500)

    @pytest.mark.parametrize("name", ["X-StepIQ-Timestamp", "X-StepIQ-Signature"])
    @pytest.mark.parametrize(
        "value", [None, "", "x", "v1=", "v2=" + "a" * 64, "1 ", "٣", "1\n", "1" * 13]
    )
    def test_a_malformed_header(self, name, value):
        body, headers = request()
        del headers[name]
        if value is not None:
            headers[name] = value

        with pytest.raises(WebhookInvalidError, match="no valid X-StepIQ"):
            webhooks.unwrap(body, headers, SECRET)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b"\xff", b"1", b'{"event": 1}', b"[" * 9999]
    )
    def test_a_signed_body_that_is_no_event(self, body):
        with pytest.raises(WebhookInvalidError, match="not an event"):
            webhooks.unwrap(*signed(body), SECRET)

    @pytest.mark.parametrize("secret", ["", [], ["a", ""]])
    def test_no_secret_is_a_mistake_of_the_program(self, secret):
        with pytest.raises(ValueError, match="secret"):
            webhooks.unwrap(*request(), secret)

    @given(
        st.binary(),
        st.dictionaries(st.sampled_from(["x-stepiq-timestamp", "x-stepiq-signature"]), st.text()),
    )
    def test_there_is_no_other_error(self, body, headers):
        with pytest.raises(WebhookInvalidError):
            webhooks.unwrap(body, headers, SECRET)
