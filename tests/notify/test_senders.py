"""Whose deliveries are not sent: those of disabled accounts, and email of accounts with an unverified address."""

from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from stepiq.core import clock
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.notify import queries
from stepiq.notify.outbox import DeliveryOutbox
from stepiq.notify.records import Unsendable
from stepiq.store.tables import users
from tests.notify.conftest import Sender
from tests.support.mail import mail_server

pytestmark = pytest.mark.one_store

REPORT = """
name: Report
steps: [{id: write, type: transform, template: "Hello"}]
output:
  deliver:
    - {type: email, to: one@example.com}
"""


@pytest.fixture
async def box():
    async with mail_server() as box:
        yield box


@pytest.fixture
def settings(settings: Settings, box) -> Settings:
    url = SecretStr(f"smtp://127.0.0.1:{box.port}")
    changes = {
        "smtp_url": url,
        "registration": RegistrationPolicy.OPEN,
        "confirm_recipients": False,
    }
    return settings.model_copy(update=changes)


@pytest.fixture
def change(database, account):
    """Changes the account behind the back of the server."""

    async def change(**values):
        async with database.transaction() as session:
            await session.execute(sa.update(users).where(users.c.id == account.id).values(**values))

    return change


async def test_a_verified_account_sends_mail(sender: Sender, box):
    run_id = await sender.run(await sender.pipeline(REPORT))

    [delivery] = await sender.deliveries(run_id, final=1)

    assert delivery["status"] == "delivered"
    assert box.recipients == ["one@example.com"]


async def test_nothing_is_sent_for_a_disabled_account(
    sender: Sender, outbox: DeliveryOutbox, database, account, change
):
    run_id = await sender.run(await sender.pipeline(REPORT))
    [shown] = await sender.deliveries(run_id, final=1)
    await change(disabled_at=clock.now())

    async with database.reading() as session:
        delivery = await queries.find(session, account.workspace_id, UUID(shown["id"]))
        assert delivery is not None
        prepared = await outbox._courier._preparer.prepare(session, delivery)

    assert isinstance(prepared, Unsendable)
    assert "are disabled" in prepared.reason


async def test_an_unverified_account_cannot_send_mail_again(sender: Sender, change):
    [delivery] = await sender.deliveries(await sender.run(await sender.pipeline(REPORT)), final=1)
    await change(email_verified_at=None)

    answer = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

    assert (answer.status_code, answer.json()["code"]) == (403, "email_unverified")


async def test_an_unverified_account_sends_none(sender: Sender, box, change):
    pipeline = await sender.pipeline(REPORT)
    await change(email_verified_at=None)

    [delivery] = await sender.deliveries(await sender.run(pipeline), final=1)

    assert delivery["status"] == "failed"
    assert "is not verified" in delivery["error"]
    assert box.recipients == []
