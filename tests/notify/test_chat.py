"""Messages for Slack and Microsoft Teams: what they say, what text of users cannot do, and how they are sent."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from stepiq.core import ids
from stepiq.language.definitions.targets import ChatService
from stepiq.notify import envelope
from stepiq.notify.records import Delivery, EventName, Occasion
from stepiq.store.states import DeliveryStatus, RunStatus, TargetType, TriggerType
from tests.notify.conftest import Sender, Vault
from tests.support.receiver import Receiver

pytestmark = pytest.mark.one_store

NOW = datetime(2026, 2, 27, 10, tzinfo=UTC)
LINK = "https://stepiq.example.com/runs/1"
DELIVERY = Delivery(
    id=ids.uuid7(),
    workspace_id=ids.uuid7(),
    pipeline_id=ids.uuid7(),
    pipeline_version=3,
    run_id=ids.uuid7(),
    event=EventName.COMPLETED,
    target_type=TargetType.WEBHOOK,
    target_path="output.deliver[0]",
    target={"type": "webhook"},
    status=DeliveryStatus.PENDING,
    ticket=1,
    claim=0,
    attempts_made=0,
    attempts_allowed=4,
    error=None,
    created_at=NOW,
    completed_at=None,
)
COMPLETED = Occasion(
    pipeline_name="Report",
    plan="free",
    run_id=ids.uuid7(),
    status=RunStatus.COMPLETED,
    trigger_type=TriggerType.MANUAL,
    started_at=NOW,
    completed_at=NOW + timedelta(seconds=4.2),
    input_data={"topic": "secret input"},
    output="secret output",
    error=None,
    cost_usd_micros=1_250,
    failed_steps=0,
    cost_complete=True,
)
FAILED = replace(
    COMPLETED,
    status=RunStatus.FAILED,
    completed_at=NOW + timedelta(seconds=185),
    output=None,
    cost_complete=False,
    error={"code": "step_failed", "message": "No key.", "step_id": "write"},
)
TEST = replace(DELIVERY, event=EventName.TEST, run_id=None)
HOSTILE = "<!channel> <@U1> & [Log in](https://evil.example) <https://evil.example|Log in> @here"


def slack_text(occasion: Occasion, delivery: Delivery = DELIVERY) -> str:
    message: Any = envelope.chat_message(ChatService.SLACK, delivery, occasion, LINK)
    [block] = message["blocks"]
    assert (block["type"], block["text"]["type"], block["text"]["verbatim"]) == (
        "section",
        "mrkdwn",
        True,
    )
    return block["text"]["text"]


def card(occasion: Occasion, delivery: Delivery = DELIVERY) -> dict[str, Any]:
    message: Any = envelope.chat_message(ChatService.TEAMS, delivery, occasion, LINK)
    [attachment] = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    content = attachment["content"]
    assert (content["type"], content["version"]) == ("AdaptiveCard", "1.4")
    return content


def texts(content: dict[str, Any]) -> list[str]:
    return [
        run["text"]
        for element in content["body"]
        if element["type"] == "RichTextBlock"
        for run in element["inlines"]
    ]


def facts(content: dict[str, Any]) -> dict[str, str]:
    found = [each for each in content["body"] if each["type"] == "FactSet"]
    return {fact["title"]: fact["value"] for each in found for fact in each["facts"]}


class TestSlack:
    def test_a_completed_run(self):
        assert slack_text(COMPLETED) == (
            "*Report*: completed\n"
            "Duration: 4.2 s · Cost: $0.001250 · Version: 3\n"
            f"<{LINK}|Open in stepIQ>"
        )

    def test_a_failed_run(self):
        assert slack_text(FAILED) == (
            "*Report*: failed\n"
            "step_failed: No key.\n"
            "Duration: 3 min 5 s · Cost: $0.001250 plus calls of unknown price · Version: 3 · Step: write\n"
            f"<{LINK}|Open in stepIQ>"
        )

    def test_a_test(self):
        sample = replace(COMPLETED, output="This is a test.")

        assert slack_text(sample, TEST) == (
            f"*Report*: test\nThis is a test.\n<{LINK}|Open in stepIQ>"
        )

    def test_text_of_users_mentions_nobody_and_hides_no_link(self):
        error = {"code": "step_failed", "message": HOSTILE, "step_id": "<!here>"}
        hostile = replace(FAILED, pipeline_name=HOSTILE, error=error)
        message: Any = envelope.chat_message(ChatService.SLACK, DELIVERY, hostile, LINK)

        for text in (message["text"], slack_text(hostile).replace(f"<{LINK}|Open in stepIQ>", "")):
            assert "&lt;!channel&gt; &lt;@U1&gt; &amp; [Log in]" in text
            assert "<" not in text
            assert ">" not in text


class TestTeams:
    def test_a_completed_run(self):
        content = card(COMPLETED)

        assert texts(content) == ["Report", "completed"]
        assert facts(content) == {"Duration": "4.2 s", "Cost": "$0.001250", "Version": "3"}
        [action] = content["actions"]
        assert (action["type"], action["url"]) == ("Action.OpenUrl", LINK)
        assert content["body"][1]["inlines"][0]["color"] == "Good"

    def test_a_failed_run(self):
        content = card(FAILED)

        assert texts(content) == ["Report", "failed", "step_failed: No key."]
        assert facts(content)["Step"] == "write"
        assert content["body"][1]["inlines"][0]["color"] == "Attention"

    def test_a_test(self):
        content = card(replace(COMPLETED, output="This is a test."), TEST)

        assert texts(content) == ["Report", "test", "This is a test."]
        assert facts(content) == {}

    def test_text_of_users_is_in_elements_that_read_no_markdown(self):
        hostile = replace(
            FAILED, pipeline_name=HOSTILE, error={"code": "step_failed", "message": HOSTILE}
        )
        content = card(hostile)

        assert texts(content) == [HOSTILE, "failed", f"step_failed: {HOSTILE}"]
        assert "evil" not in json.dumps([facts(content), content["actions"]])
        assert {each["type"] for each in content["body"]} == {"RichTextBlock", "FactSet"}


@pytest.mark.parametrize("service", ChatService)
class TestBoth:
    def test_long_texts_are_shortened_to_what_the_services_accept(self, service):
        long = replace(
            FAILED, pipeline_name="&" * 9_999, error={"code": "a", "message": "<" * 9_999}
        )
        message: Any = envelope.chat_message(service, DELIVERY, long, LINK)

        assert len(json.dumps(message)) < 5_000
        if service is ChatService.SLACK:
            assert len(slack_text(long)) < 3_000

    def test_inputs_and_outputs_are_not_sent(self, service):
        assert "secret" not in json.dumps(envelope.chat_message(service, DELIVERY, COMPLETED, LINK))

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(0.035, "35 ms"), (1, "1.0 s"), (59.9, "59.9 s"), (3_725, "62 min 5 s")],
    )
    def test_durations_are_readable(self, service, seconds, shown):
        lasting = replace(COMPLETED, completed_at=NOW + timedelta(seconds=seconds))

        assert shown in json.dumps(envelope.chat_message(service, DELIVERY, lasting, LINK))

    def test_line_breaks_do_not_change_the_message(self, service):
        broken = replace(COMPLETED, pipeline_name="a\n\nb\u2028c")

        assert "a b c" in json.dumps(envelope.chat_message(service, DELIVERY, broken, LINK))


PIPELINE = """
name: Report
steps:
  - {{id: write, type: transform, template: "About it"}}
output:
  deliver:
    - {{type: {service}, url: "{{{{env.CHAT_URL}}}}"}}
"""
BROKEN = """
name: Report
steps:
  - {{id: write, type: transform, template: "{{{{input.topic.no.such}}}}"}}
notifications:
  on_failure:
    - {{type: {service}, url: "{{{{env.CHAT_URL}}}}"}}
"""
CONNECTION = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}


def link_of(service: ChatService, body: Any) -> str:
    if service is ChatService.SLACK:
        return body["blocks"][0]["text"]["text"].rpartition("<")[2].partition("|")[0]
    return body["attachments"][0]["content"]["actions"][0]["url"]


async def request_of(sender: Sender, delivery_id: str) -> httpx2.Response:
    return await sender.client.get(f"/api/deliveries/{delivery_id}/attempts/1/request")


@pytest.mark.parametrize("service", ChatService)
class TestDelivery:
    async def test_a_message_is_sent_to_the_secret_url(
        self, service, sender: Sender, receiver: Receiver, vault: Vault, settings
    ):
        vault.values = {"CHAT_URL": f"{receiver.url}/services/T0/B0/abcdef0123456789"}

        delivery = await sender.sent(PIPELINE.format(service=service))

        [request] = receiver.received
        assert delivery["status"] == "delivered"
        assert (request.method, request.path) == ("POST", "/services/T0/B0/abcdef0123456789")
        assert {n: v for n, v in request.headers.items() if n not in CONNECTION} == {
            "content-type": "application/json"
        }
        assert "Report" in request.body.decode()
        assert link_of(service, request.json) == f"{settings.base_url}/runs/{delivery['run_id']}"
        shown = (await request_of(sender, delivery["id"])).json()
        assert shown["body"].encode() == request.body
        assert delivery["target"] == {"type": "webhook", "url": "[secret:CHAT_URL]", "to": None}
        assert shown["url"] == "[secret:CHAT_URL]"
        assert "abcdef0123456789" not in json.dumps([delivery, shown])

    @pytest.mark.usefixtures("short_pauses")
    async def test_a_failed_run_is_repeated_until_it_is_delivered(
        self, service, sender: Sender, receiver: Receiver, vault: Vault
    ):
        receiver.reply_with(500, 200)
        vault.values = {"CHAT_URL": f"{receiver.url}/hook"}

        delivery = await sender.sent(BROKEN.format(service=service))

        first, second = receiver.received
        assert delivery["status"] == "delivered"
        assert [each["status_code"] for each in delivery["attempts"]] == [500, 200]
        assert first.body == second.body
        assert "template_unresolved" in first.body.decode()

    async def test_a_test_links_to_its_delivery(
        self, service, sender: Sender, receiver: Receiver, vault: Vault, settings
    ):
        vault.values = {"CHAT_URL": f"{receiver.url}/hook"}
        pipeline_id = await sender.pipeline(PIPELINE.format(service=service))

        sent = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")
        [delivery] = sent.json()["data"]
        await sender.finished(delivery["id"])

        [request] = receiver.received
        link = f"{settings.base_url}/deliveries/{delivery['id']}"
        assert link_of(service, request.json) == link

    async def test_a_private_address_is_refused(
        self, service, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values = {"CHAT_URL": "http://10.0.0.1/hook"}

        delivery = await sender.sent(PIPELINE.format(service=service))

        assert delivery["status"] == "failed"
        assert receiver.received == []
        assert "it is a private address" in delivery["error"]

    async def test_a_secret_for_another_host_is_not_sent(
        self, service, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values = {"CHAT_URL": f"{receiver.url}/hook"}
        vault.hosts = {"CHAT_URL": ("hooks.slack.com",)}

        delivery = await sender.sent(PIPELINE.format(service=service))

        assert delivery["status"] == "failed"
        assert receiver.received == []

    async def test_a_missing_secret_is_named(self, service, sender: Sender, vault: Vault):
        vault.values = {}

        delivery = await sender.sent(PIPELINE.format(service=service))

        assert delivery["status"] == "failed"
        assert "CHAT_URL" in delivery["error"]
