"""The request of an attempt, as the API shows it: exactly what was signed and sent, without secrets."""

import json

import httpx2
import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from stepiq.core import ids
from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from stepiq.store.tables import runs
from tests.notify.conftest import PIPELINE, SECRET, Sender, Vault
from tests.support.make import Make
from tests.support.receiver import Receiver

TEMPLATED = """
name: Templated
steps: [{{id: write, type: transform, template: text}}]
output:
  deliver:
    - type: webhook
      method: PUT
      url: "{url}/{{{{env.TOKEN}}}}"
      signing_secret_name: SIGNING
      headers:
        Authorization: "  Bearer {{{{env.TOKEN}}}} "
        X-Long: "{{{{input.long}}}}"
"""
TRANSFER = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}


async def request_of(sender: Sender, delivery_id: str, number: int = 1) -> httpx2.Response:
    return await sender.client.get(f"/api/deliveries/{delivery_id}/attempts/{number}/request")


class TestGetAttemptRequest:
    async def test_it_is_exactly_what_the_receiver_got(self, sender: Sender, receiver: Receiver):
        receiver.reply_with(500, 200)
        delivery = await sender.sent(PIPELINE.format(url=f"{receiver.url}/hook"), topic="größer")

        for number, request in enumerate(receiver.received, start=1):
            shown = (await request_of(sender, delivery["id"], number)).json()

            assert (shown["method"], shown["url"]) == ("POST", f"{receiver.url}/hook")
            assert shown["body"].encode() == request.body
            assert shown["body_bytes"] == len(request.body)
            ours = {n: v for n, v in request.headers.items() if n not in TRANSFER}
            assert {n.lower(): v for n, v in shown["headers"].items()} == ours
            assert Webhook(SECRET).verify(shown["body"], shown["headers"]) == request.json

    async def test_a_later_change_of_the_name_does_not_change_it(
        self, sender: Sender, receiver: Receiver
    ):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url), topic="x")
        path = f"/api/pipelines/{delivery['pipeline_id']}"
        renamed = await sender.client.patch(path, json={"name": "Renamed"})

        shown = (await request_of(sender, delivery["id"])).json()

        assert renamed.status_code == 200, renamed.text
        assert shown["body"].encode() == receiver.received[0].body

    async def test_a_test_event_has_a_request(self, sender: Sender, receiver: Receiver):
        pipeline_id = await sender.pipeline(PIPELINE.format(url=receiver.url))
        sent = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")
        [delivery] = sent.json()["data"]
        await sender.finished(delivery["id"])

        shown = (await request_of(sender, delivery["id"])).json()

        assert shown["body"].encode() == receiver.received[0].body

    async def test_secrets_are_masked_and_long_headers_are_cut(
        self, sender: Sender, receiver: Receiver, vault: Vault
    ):
        vault.values["TOKEN"] = "xyz"
        delivery = await sender.sent(TEMPLATED.format(url=receiver.url), long="x" * 3_000)

        shown = (await request_of(sender, delivery["id"])).json()

        [request] = receiver.received
        assert request.headers["authorization"] == "Bearer xyz"
        assert shown["method"] == "PUT"
        assert shown["url"] == f"{receiver.url}/[secret:TOKEN]"
        assert shown["headers"]["Authorization"] == "Bearer [secret:TOKEN]"
        assert shown["headers"]["X-Long"] == "x" * 2_000 + "…"
        assert shown["headers"]["X-StepIQ-Signature"] == request.headers["x-stepiq-signature"]
        # Not hexadecimal, because signatures and ids are.
        assert "xyz" not in json.dumps(shown)

    @pytest.mark.both_stores
    async def test_a_body_that_would_differ_is_not_shown(
        self, sender: Sender, receiver: Receiver, database: Database
    ):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url), topic="x")
        async with database.transaction() as session:
            await session.execute(sa.update(runs).values(input_data={"topic": "y"}))

        shown = (await request_of(sender, delivery["id"])).json()

        assert shown["body"] is None
        assert shown["body_bytes"] == len(receiver.received[0].body)

    async def test_a_mail_has_none(self, sender: Sender, settings: Settings):
        source = PIPELINE.replace(
            "type: webhook\n      url: {url}\n      signing_secret_name: SIGNING",
            "type: email\n      to: a@example.com",
        )
        delivery = await sender.sent(source.format(), topic="x")

        refused = await request_of(sender, delivery["id"])

        assert refused.json()["code"] == "delivery_request_not_recorded"
        assert "Emails are not recorded" in refused.json()["detail"]

    async def test_an_attempt_that_does_not_exist_is_not_found(
        self, sender: Sender, receiver: Receiver
    ):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert (await request_of(sender, delivery["id"], 2)).json()["code"] == (
            "delivery_attempt_not_found"
        )
        assert (await request_of(sender, delivery["id"], 0)).json()["code"] == "not_found"
        assert (await request_of(sender, str(ids.uuid7()))).json()["code"] == "delivery_not_found"

    async def test_other_workspaces_and_scopes_cannot_read_it(
        self, sender: Sender, receiver: Receiver, make: Make, login_key
    ):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url))
        path = f"/api/deliveries/{delivery['id']}/attempts/1/request"
        stranger = await login_key(await make.user(), ["pipelines:read"])
        executor = await login_key(sender.account, ["pipelines:execute"])
        reader = await login_key(sender.account, ["pipelines:read"])

        assert (await stranger.get(path)).json()["code"] == "delivery_not_found"
        assert (await executor.get(path)).json()["code"] == "scope_missing"
        assert (await reader.get(path)).status_code == 200
