"""Deliveries from the end of a run to the receiver: what is sent, how often, and what is kept of it."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from stepiq.core.settings.config_file import EndpointSettings
from stepiq.core.settings.model import Settings
from stepiq.notify import sending
from tests.notify.conftest import PIPELINE, SECRET, Sender, Vault, set_pauses
from tests.support import loop_time
from tests.support.receiver import Receiver, Reply

pytestmark = pytest.mark.one_store

FAILING = """
name: Broken
steps:
  - {{id: write, type: transform, template: "{{{{input.topic.no.such}}}}"}}
output:
  deliver:
    - {{type: webhook, url: "{url}/delivered", signing_secret_name: SIGNING}}
notifications:
  on_success:
    - {{type: webhook, url: "{url}/success", signing_secret_name: SIGNING}}
  on_failure:
    - {{type: webhook, url: "{url}/failure", signing_secret_name: SIGNING}}
"""
TEMPLATED = """
name: Templated
variables: {{room: "42"}}
steps:
  - {{id: write, type: transform, template: "text"}}
output:
  deliver:
    - type: webhook
      method: PUT
      url: "{url}/{{{{env.TOKEN}}}}/{{{{vars.room}}}}?out={{{{steps.write.output}}}}"
      signing_secret_name: SIGNING
      headers:
        Authorization: "Bearer {{{{env.TOKEN}}}}"
        X-Run: "{{{{run.id}}}}"
"""


class TestEnvelope:
    async def test_it_is_what_the_reference_says(self, sender: Sender, receiver: Receiver):
        pipeline_id = await sender.pipeline(PIPELINE.format(url=f"{receiver.url}/hook"))
        run_id = await sender.run(pipeline_id, topic="größer")
        [delivery] = await sender.deliveries(run_id)
        [request] = receiver.received
        run = (await sender.client.get(f"/api/runs/{run_id}")).json()

        assert (request.method, request.path) == ("POST", "/hook")
        content = request.json
        assert list(content) == ["event", "pipeline", "run", "input", "output", "meta"]
        assert content["event"] == "pipeline.run.completed"
        assert content["pipeline"] == {"id": str(pipeline_id), "version": 1, "name": "Report"}
        assert content["run"] == {
            "id": run_id,
            "status": "completed",
            "trigger_type": "manual",
            "started_at": run["started_at"],
            "completed_at": run["completed_at"],
        }
        assert content["input"] == {"topic": "größer"}
        assert content["output"] == "About größer"
        assert content["meta"]["attempt"] == 1
        sent_at = datetime.fromisoformat(content["meta"]["sent_at"])
        assert datetime.fromisoformat(run["completed_at"]) <= sent_at <= request.wall
        assert delivery["status"] == "delivered"

    async def test_its_headers_prove_where_it_comes_from(self, sender: Sender, receiver: Receiver):
        began = datetime.now(UTC).replace(microsecond=0)
        delivery = await sender.sent(PIPELINE.format(url=receiver.url), topic="x")

        [request] = receiver.received
        headers, timestamp = request.headers, request.headers["x-stepiq-timestamp"]
        assert headers["content-type"] == "application/json"
        assert headers["x-stepiq-event"] == "pipeline.run.completed"
        assert began <= datetime.fromtimestamp(int(timestamp), UTC) <= request.wall
        signed = timestamp.encode() + b"." + request.body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["x-stepiq-signature"] == f"v1={digest}"
        assert headers["webhook-id"] == delivery["id"]
        assert Webhook(SECRET).verify(request.body.decode(), headers) == request.json

    async def test_a_failed_run_is_told_to_its_own_targets(
        self, sender: Sender, receiver: Receiver
    ):
        delivery = await sender.sent(FAILING.format(url=receiver.url), topic="x")

        [request] = receiver.received
        assert request.path == "/failure"
        assert request.headers["x-stepiq-event"] == "pipeline.run.failed"
        assert request.json["event"] == "pipeline.run.failed"
        assert request.json["run"]["status"] == "failed"
        assert request.json["output"] is None
        assert request.json["error"]["code"] == "template_unresolved"
        assert request.json["error"]["step_id"] == "write"
        assert delivery["target_path"] == "notifications.on_failure[0]"

    async def test_a_large_output_is_sent_whole(self, sender: Sender, receiver: Receiver):
        await sender.sent(PIPELINE.format(url=receiver.url), topic="x" * 100_000)

        assert len(receiver.received[0].json["output"]) == len("About ") + 100_000

    async def test_templates_are_rendered_from_the_run_and_its_secrets(
        self, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values["TOKEN"] = "t0ken-0123456789"

        delivery = await sender.sent(TEMPLATED.format(url=receiver.url))

        [request] = receiver.received
        assert request.method == "PUT"
        assert request.path == "/t0ken-0123456789/42?out=text"
        assert request.headers["authorization"] == "Bearer t0ken-0123456789"
        assert request.headers["x-run"] == delivery["run_id"]
        assert delivery["target"]["url"] == f"{receiver.url}/[secret:TOKEN]/42?out=text"

    async def test_a_short_secret_is_not_shown_either(
        self, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values["TOKEN"] = "abc"

        delivery = await sender.sent(TEMPLATED.format(url=receiver.url))

        assert receiver.received[0].path.startswith("/abc/")
        assert "abc" not in delivery["target"]["url"]

    async def test_a_secret_is_sent_to_its_hosts_only(
        self, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values["TOKEN"] = "t0ken-0123456789"
        vault.hosts["TOKEN"] = ("api.example.com",)

        delivery = await sender.sent(TEMPLATED.format(url=receiver.url))

        assert receiver.received == []
        assert delivery["attempts"] == []
        assert "`TOKEN` cannot be sent to `127.0.0.1`" in delivery["error"]


class TestCancelled:
    @pytest.fixture
    def settings(self, settings: Settings, receiver: Receiver) -> Settings:
        """The receiver answers for a model, too."""
        return settings.model_copy(
            update={"endpoints": {"held": EndpointSettings(base_url=receiver.url)}}
        )

    async def test_nobody_hears_of_a_cancelled_run(self, sender: Sender, receiver: Receiver):
        receiver.reply_with(Reply(delay=30))
        source = FAILING.format(url=receiver.url).replace(
            'type: transform, template: "{{input.topic.no.such}}"', "model: held/any, prompt: x"
        )
        run_id = await sender.run(await sender.pipeline(source))
        [asked] = await receiver.until(1)

        answer = await sender.client.post(f"/api/runs/{run_id}/cancel")

        assert asked.path == "/chat/completions"
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert await sender.deliveries(run_id, final=0) == []


class TestRetry:
    @pytest.mark.timeout(60)
    async def test_it_is_tried_four_times_with_growing_pauses(
        self, sender: Sender, receiver: Receiver
    ):
        receiver.reply_with(503, Reply(500, delay=0.5), Reply(hangs_up=True), 502)

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert [r.json["meta"]["attempt"] for r in receiver.received] == [1, 2, 3, 4]
        receiver.assert_pauses(1, 2, 4)
        assert delivery["status"] == "failed"
        assert delivery["error"] == "The receiver returned 502."
        assert [a["status_code"] for a in delivery["attempts"]] == [503, 500, None, 502]
        assert [a["number"] for a in delivery["attempts"]] == [1, 2, 3, 4]
        assert "closed the connection" in delivery["attempts"][2]["error"]
        assert delivery["attempts"][1]["duration_ms"] >= 500
        assert len({r.headers["webhook-id"] for r in receiver.received}) == 1
        assert len({r.headers["x-stepiq-signature"] for r in receiver.received}) == 4

    @pytest.mark.usefixtures("short_pauses")
    async def test_it_ends_with_the_first_attempt_that_arrives(
        self, sender: Sender, receiver: Receiver
    ):
        receiver.reply_with(503, 204)

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert (delivery["status"], delivery["error"]) == ("delivered", None)
        assert [a["status_code"] for a in delivery["attempts"]] == [503, 204]

    @pytest.mark.slow
    @pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 408, 410, 429])
    async def test_any_other_status_is_final_and_no_redirect_is_followed(
        self, sender: Sender, receiver: Receiver, status: int
    ):
        elsewhere = {"Location": f"{receiver.url}/elsewhere"} if status < 400 else {}
        receiver.reply_with(Reply(status, headers=elsewhere))

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert len(receiver.received) == 1
        assert delivery["status"] == "failed"
        assert str(status) in delivery["error"]

    def test_an_attempt_may_take_ten_seconds(self):
        timeouts = sending._TIMEOUTS

        assert {timeouts.connect, timeouts.read, timeouts.total} == {timedelta(seconds=10)}

    @pytest.mark.usefixtures("short_pauses")
    async def test_a_receiver_that_takes_longer_than_the_limit_has_not_got_it(
        self, sender: Sender, receiver: Receiver
    ):
        receiver.reply_with(Reply(after=asyncio.Event()), 200)
        run_id = await sender.run(await sender.pipeline(PIPELINE.format(url=receiver.url)))
        await receiver.until(1)

        loop_time.skip(10)
        [delivery] = await sender.deliveries(run_id)

        assert len(receiver.received) == 2
        assert "in time" in delivery["attempts"][0]["error"]
        assert delivery["status"] == "delivered"

    async def test_nobody_listening_is_tried_again(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ):
        set_pauses(monkeypatch, 0.02, 60, 60)
        run_id = await sender.run(await sender.pipeline(PIPELINE.format(url="http://127.0.0.1:9")))

        delivery = await sender.attempted(run_id, 2)

        assert "refused the connection" in delivery["attempts"][0]["error"]
        assert delivery["status"] == "pending"


class TestUnsendable:
    async def test_nothing_is_sent_unsigned(self, sender: Sender, receiver: Receiver, vault: Vault):
        vault.values.clear()

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert receiver.received == []
        assert (delivery["status"], delivery["attempts"]) == ("failed", [])
        assert "`SIGNING` is not stored" in delivery["error"]

        vault.values["SIGNING"] = SECRET
        answer = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "pending"
        [delivery] = await sender.deliveries(delivery["run_id"])
        assert delivery["status"] == "delivered"

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("http://10.0.0.1/hook", "`10.0.0.1` cannot be called: it is a private address"),
            ("http://[::ffff:10.0.0.1]/hook", "cannot be called"),
            ("http://u:p@127.0.0.1/", "user name or password"),
            ("http://127.0.0.1/{{input.a.b}}", "`url` cannot be rendered"),
            ("http://127.0.0.1/{{env.NO_SUCH}}", "NO_SUCH"),
        ],
    )
    async def test_a_target_that_cannot_be_called_says_so(
        self, sender: Sender, url: str, problem: str
    ):
        source = PIPELINE.format(url=json.dumps(url)).replace(
            "topic: {type", "a: {type: object}, topic: {type"
        )

        delivery = await sender.sent(source)

        assert delivery["status"] == "failed"
        assert problem in delivery["error"]
        assert delivery["target_path"] not in delivery["error"]
        assert delivery["attempts"] == []

    async def test_a_line_break_from_data_gets_into_no_header(
        self, sender: Sender, receiver: Receiver
    ):
        source = PIPELINE.format(url=receiver.url) + '      headers: {X-Topic: "{{input.topic}}"}\n'

        delivery = await sender.sent(source, topic="a\r\nX-Evil: 1")

        assert receiver.received == []
        assert delivery["status"] == "failed"
        assert "line break" in delivery["error"]

    async def test_headers_beyond_ascii_are_sent_in_utf_8_each_time(
        self, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values["TOKEN"] = "clé-secrète"
        headers = 'X-A: Grüße, X-B: "{{input.topic}}", X-C: "Bearer {{env.TOKEN}}"'
        source = PIPELINE.format(url=receiver.url) + f"      headers: {{{headers}}}\n"

        sent = await sender.sent(source, topic="Übersicht — обзор")
        answer = await sender.client.post(f"/api/deliveries/{sent['id']}/redeliver")
        again = await sender.finished(sent["id"])

        assert answer.status_code == 200
        assert [sent["status"], again["status"]] == ["delivered", "delivered"]
        assert len(receiver.received) == len(again["attempts"]) == 2
        for request in receiver.received:
            head = request.raw_headers.decode()
            assert "\r\nX-A: Grüße\r\n" in head
            assert "\r\nX-B: Übersicht — обзор\r\n" in head
            assert "\r\nX-C: Bearer clé-secrète\r\n" in head


class TestReply:
    async def test_its_status_headers_and_first_kib_are_kept(
        self, sender: Sender, receiver: Receiver
    ):
        receiver.reply_with(Reply(200, body=("é" * 2_000).encode(), headers={"X-Trace": "abc"}))

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        [attempt] = (await sender.finished(delivery["id"]))["attempts"]
        assert attempt["response_headers"]["x-trace"] == "abc"
        assert attempt["response_excerpt"] == "é" * 512

    async def test_bytes_that_are_no_text_are_kept_as_such(
        self, sender: Sender, receiver: Receiver
    ):
        receiver.reply_with(Reply(200, body=b"a\x00b\xff"))

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert delivery["attempts"][0]["response_excerpt"] == "a\ufffdb\ufffd"

    async def test_secrets_that_come_back_are_not_kept(
        self, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values["TOKEN"] = "t0ken-0123456789"
        leak = f"got {SECRET} ".encode()
        receiver.reply_with(
            Reply(400, body=leak, headers={"X-Leak": vault.values["TOKEN"]}, echoes=True)
        )

        sent = await sender.sent(TEMPLATED.format(url=receiver.url))

        delivery = await sender.finished(sent["id"])
        shown = json.dumps(delivery)
        assert SECRET not in shown
        assert vault.values["TOKEN"] not in shown
        assert "[secret:SIGNING]" in delivery["attempts"][0]["response_excerpt"]
        assert delivery["attempts"][0]["response_headers"]["x-leak"] == "[secret:TOKEN]"

    async def test_a_secret_across_the_end_of_what_is_kept_is_not_kept_in_part(
        self, sender: Sender, receiver: Receiver
    ):
        receiver.reply_with(Reply(200, body=b"x" * 1_010 + SECRET.encode() * 3_000))

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        excerpt = delivery["attempts"][0]["response_excerpt"]
        assert excerpt.startswith("x" * 1_010)
        assert SECRET[:6] not in excerpt


class TestSlowReceivers:
    @pytest.mark.timeout(60)
    async def test_they_hold_up_nobody_else(self, sender: Sender, receiver: Receiver):
        slow = await sender.pipeline(PIPELINE.format(url=f"{receiver.url}/slow"))
        receiver.reply_with(*[Reply(after=asyncio.Event())] * 20, 200)
        for _ in range(20):
            await sender.run(slow)
        await receiver.until(20)
        quick = await sender.pipeline(PIPELINE.format(url=f"{receiver.url}/quick"))

        for number in range(5):
            run_id = await sender.run(quick)
            await sender.deliveries(run_id)
            assert receiver.received[20 + number].path == "/quick"

        # All of that while the slow ones had not answered yet.
        assert len(receiver.answered) == 5
