"""Quotas of a day: emails, redeliveries and test deliveries."""

from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr

from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from stepiq.store.tables import workspaces
from tests.notify.conftest import PIPELINE, Sender
from tests.support.clients import Login, LoginKey, outcome
from tests.support.mail import Mailbox, mail_server
from tests.support.receiver import Receiver

pytestmark = pytest.mark.one_store

MAILS = """
name: Report
steps: [{id: write, type: transform, template: "Hello"}]
output:
  deliver:
    - {type: email, to: [one@example.com]}
"""


@pytest.fixture
async def box():
    async with mail_server() as box:
        yield box


@pytest.fixture
def settings(settings: Settings, box: Mailbox) -> Settings:
    limits: dict[str, Any] = {
        "extends": "unlimited",
        "emails_per_day": 2,
        "redeliveries_per_day": 2,
    }
    url = SecretStr(f"smtp://127.0.0.1:{box.port}")
    changes = {"smtp_url": url, "plans": {"daily": limits}, "confirm_recipients": False}
    return settings.model_copy(update=changes)


@pytest.fixture
async def sender(sender: Sender, database: Database, login_key: LoginKey) -> Sender:
    """On a plan with quotas, with a credential that outlives a day."""
    of_account = workspaces.c.id == sender.account.workspace_id
    async with database.transaction() as session:
        await session.execute(workspaces.update().where(of_account).values(plan="daily"))
    return replace(sender, client=await login_key(sender.account))


async def mailed(sender: Sender) -> dict[str, Any]:
    """The delivery of a run that sends one email."""
    run_id = await sender.run(await sender.pipeline(MAILS))
    [delivery] = await sender.deliveries(run_id, final=1)
    return delivery


async def redeliver(sender: Sender, delivery: dict[str, Any]):
    return await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")


class TestEmails:
    async def test_beyond_the_quota_none_is_sent_and_the_delivery_says_why(
        self, sender: Sender, box: Mailbox
    ):
        sent = [await mailed(sender) for _ in range(3)]

        assert [delivery["status"] for delivery in sent] == ["delivered", "delivered", "failed"]
        assert (
            "Plan `daily` allows 2 emails per day, and the workspace has used 2 today"
            in sent[2]["error"]
        )
        assert "`emails_per_day = …` under `[plans.daily]`" in sent[2]["error"]
        assert sent[2]["attempts"] == []
        assert len(box.recipients) == 2

    async def test_a_refused_one_can_be_sent_the_next_day(
        self, sender: Sender, box: Mailbox, clock: ModuleType
    ):
        *_, last = [await mailed(sender) for _ in range(3)]
        refused = await redeliver(sender, last)

        clock.advance(timedelta(days=1))
        again = await redeliver(sender, last)

        assert (refused.status_code, refused.json()["code"]) == (403, "plan_emails_exhausted")
        assert again.status_code == 200

    async def test_a_redelivery_counts(self, sender: Sender, box: Mailbox):
        delivery = await mailed(sender)
        await redeliver(sender, delivery)
        again = await sender.finished(delivery["id"])
        refused = await mailed(sender)

        assert (again["status"], len(again["attempts"])) == ("delivered", 2)
        assert "allows 2 emails per day" in refused["error"]
        assert len(box.recipients) == 2

    @pytest.mark.usefixtures("short_pauses")
    async def test_retries_do_not_count(self, sender: Sender, box: Mailbox):
        replies = iter(["451 Later", "250 OK", "250 OK"])
        box.judge = lambda _: next(replies)

        first, second = await mailed(sender), await mailed(sender)

        assert len(first["attempts"]) == 2
        assert (first["status"], second["status"]) == ("delivered", "delivered")

    async def test_an_invitation_counts(self, sender: Sender, login: Login, box: Mailbox):
        session = await login(sender.account)
        delivery = await mailed(sender)

        answers = [
            await session.post(
                "/api/workspace/invitations", json={"email": email, "role": "viewer"}
            )
            for email in ("bob@example.com", "eve@example.com")
        ]

        assert delivery["status"] == "delivered"
        assert answers[0].status_code == 201
        assert outcome(answers[1]) == (403, "plan_emails_exhausted")
        assert box.recipients == ["one@example.com", "bob@example.com"]


class TestRedeliveries:
    async def test_beyond_the_quota_none_is_made(self, sender: Sender, receiver: Receiver):
        receiver.reply_with(410)
        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        answers = []
        for _ in range(3):
            answers.append(await redeliver(sender, delivery))
            await sender.deliveries(delivery["run_id"], final=1)

        assert [answer.status_code for answer in answers] == [200, 200, 403]
        assert answers[2].json()["code"] == "plan_redeliveries_exhausted"
        assert "allows 2 redeliveries and test deliveries per day" in answers[2].json()["detail"]

    async def test_test_deliveries_count_for_each_target(self, sender: Sender, receiver: Receiver):
        source = PIPELINE.format(url=receiver.url)
        target = source[source.index("    - type: webhook") :]
        path = f"/api/pipelines/{await sender.pipeline(source + target + target)}/deliveries/test"

        refused = await sender.client.post(path)

        assert refused.json()["code"] == "plan_redeliveries_exhausted"
        assert "has used 0 today" in refused.json()["detail"]
