"""Email goes only to verified members and to recipients who have confirmed, where strangers can register."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from types import ModuleType
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from structlog.testing import capture_logs

from stepiq.core import clock as core_clock
from stepiq.core.settings import Registration, Settings
from stepiq.notify import housekeeping
from stepiq.notify.recipients import service as recipients
from stepiq.store.database import Database
from stepiq.store.tables import asked_addresses
from stepiq.store.tables import recipients as recipient_rows
from tests.notify.conftest import Sender
from tests.support.clients import LoginKey
from tests.support.mail import Mailbox, mail_server
from tests.support.make import Make

REPORT = """
name: Report
steps: [{{id: write, type: transform, template: "Hello"}}]
output:
  deliver:
    - {{type: email, to: ["{to}"]}}
"""
REVIEW = """
name: Check
steps: [{id: check, type: human_review, message: "Buy!", assignees: [bob@example.com]}]
"""
BOB = "bob@example.com"


@pytest.fixture
async def box():
    async with mail_server() as box:
        yield box


@pytest.fixture
def settings(settings: Settings, box: Mailbox) -> Settings:
    return settings.model_copy(
        update={
            "smtp_url": SecretStr(f"smtp://127.0.0.1:{box.port}"),
            "registration": Registration.OPEN,
            "plans": {"two": {"extends": "unlimited", "emails_per_day": 2}},
        }
    )


@pytest.fixture
async def sender(sender: Sender, login_key: LoginKey) -> Sender:
    """With a credential that outlives a day."""
    return replace(sender, client=await login_key(sender.account))


async def send(sender: Sender, to: str = BOB) -> Any:
    """Run a pipeline that emails an address; its delivery, once it is final."""
    run_id = await sender.run(await sender.pipeline(REPORT.format(to=to)))
    [delivery] = await sender.deliveries(run_id, final=1)
    return delivery


def token_of(mail: EmailMessage) -> str:
    match = re.search(r"/confirm-recipient#token=([A-Za-z0-9_=-]+)\n", mail.get_content())
    assert match
    return match[1]


async def answer(sender: Sender, box: Mailbox, what: str, mail: int = 0) -> httpx2.Response:
    """Use the link of an email, without a credential."""
    anonymous = httpx2.AsyncClient(
        transport=sender.client._transport, base_url=sender.client.base_url
    )
    token = token_of(box.taken[mail])
    return await anonymous.post(f"/api/recipients/{what}", json={"token": token})


class TestAsk:
    async def test_an_unknown_recipient_is_asked_and_the_email_is_held(
        self, sender: Sender, box: Mailbox
    ):
        delivery = await send(sender)

        [mail] = box.taken
        assert (mail["To"], mail["Subject"]) == (BOB, "Confirm that you want emails from stepIQ")
        assert sender.account.email in mail.get_content()
        assert "Hello" not in mail.get_content()
        assert (delivery["status"], delivery["attempts"]) == ("failed", [])
        assert (
            f"{BOB} has not confirmed that they want emails of this workspace." in delivery["error"]
        )
        assert "sends this email if they confirm by" in delivery["error"]

    @pytest.mark.one_store
    async def test_they_are_asked_once(self, sender: Sender, box: Mailbox):
        await send(sender)
        again = await send(sender, "Bob@Example.com")

        assert len(box.taken) == 1
        assert "has not confirmed" in again["error"]

    async def test_emails_at_the_same_time_ask_once(self, sender: Sender, box: Mailbox):
        pipeline = await sender.pipeline(REPORT.format(to=BOB))
        runs = await asyncio.gather(*(sender.run(pipeline) for _ in range(4)))
        for run_id in runs:
            await sender.deliveries(run_id, final=1)

        assert len(box.taken) == 1

    @pytest.mark.one_store
    async def test_an_address_is_asked_three_times_a_day_by_all_workspaces_together(
        self, sender: Sender, make: Make, login_key: LoginKey, box: Mailbox, clock: ModuleType
    ):
        others = [await make.user() for _ in range(3)]
        await send(sender)
        held = [
            await send(replace(sender, account=other, client=await login_key(other)))
            for other in others
        ]

        assert len(box.taken) == 3
        assert "has asked them 3 times today, which is the maximum" in held[2]["error"]
        clock.advance(timedelta(days=1))
        await send(replace(sender, account=others[2], client=await login_key(others[2])))
        assert len(box.taken) == 4

    @pytest.mark.one_store
    async def test_a_workspace_asks_a_limited_number_of_recipients_a_day(
        self, sender: Sender, box: Mailbox, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(recipients, "WORKSPACE_ASKS_A_DAY", 2)

        held = [await send(sender, f"{name}@example.com") for name in ("a", "b", "c")]

        assert len(box.taken) == 2
        assert "the workspace has asked 2 recipients within 24 hours" in held[2]["error"]

    @pytest.mark.one_store
    async def test_asking_counts_as_an_email_of_the_plan(
        self, make: Make, sender: Sender, login_key: LoginKey, box: Mailbox
    ):
        account = await make.user(plan="two")
        limited = replace(sender, account=account, client=await login_key(account))

        held = [await send(limited, f"{name}@example.com") for name in ("a", "b", "c")]

        assert len(box.taken) == 2
        assert "Plan `two` allows 2 emails per day" in held[2]["error"]

    @pytest.mark.one_store
    async def test_if_the_mail_server_is_busy_the_next_email_asks_again(
        self, sender: Sender, box: Mailbox
    ):
        box.refuse["RCPT"] = "451 Later"
        held = await send(sender)
        box.refuse.clear()
        await send(sender)

        assert "the email that asks them was not sent" in held["error"]
        assert len(box.taken) == 1

    @pytest.mark.one_store
    async def test_neither_log_nor_delivery_has_the_token_of_an_email_that_is_refused(
        self, sender: Sender, box: Mailbox
    ):
        seen: list[str] = []

        def judge(mail: EmailMessage) -> str:
            seen.append(token_of(mail))
            return f"554 blocked {seen[-1]}"

        box.judge = judge
        with capture_logs() as logs:
            held = await send(sender)

        assert "refused the email with code 554" in held["error"]
        assert "recipient_mail_unsent" in [line["event"] for line in logs]
        assert seen[0] not in f"{logs} {held}"


class TestWant:
    @pytest.mark.one_store
    async def test_a_verified_member_gets_email_at_once(self, sender: Sender):
        assert (await send(sender, sender.account.email.upper()))["status"] == "delivered"

    @pytest.mark.one_store
    async def test_a_member_of_another_workspace_does_not(
        self, sender: Sender, make: Make, box: Mailbox
    ):
        other = await make.user()

        assert (await send(sender, other.email))["status"] == "failed"

    @pytest.mark.one_store
    @pytest.mark.parametrize(("given", "expected"), [(None, True), (False, False), (True, True)])
    async def test_the_setting_wins_over_the_default(
        self, settings: Settings, given: bool | None, expected: bool
    ):
        changed = settings.model_copy(update={"confirm_recipients": given})

        assert changed.confirms_recipients is expected

    @pytest.mark.one_store
    @pytest.mark.parametrize("changes", [{"registration": Registration.INVITE}, {"smtp_url": None}])
    async def test_it_is_off_by_default_where_strangers_cannot_register_or_no_email_is_sent(
        self, settings: Settings, changes: dict[str, Any]
    ):
        assert not settings.model_copy(update=changes).confirms_recipients


@pytest.mark.one_store
class TestOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"confirm_recipients": False})

    async def test_nobody_is_asked(self, sender: Sender, box: Mailbox):
        assert (await send(sender))["status"] == "delivered"
        assert box.taken[0]["Subject"] != "Confirm that you want emails from stepIQ"


class TestConfirm:
    async def test_it_sends_what_is_held_and_what_comes_later(self, sender: Sender, box: Mailbox):
        held = [await send(sender) for _ in range(2)]

        response = await answer(sender, box, "confirm")
        released = [await sender.finished(each["id"]) for each in held]
        later = await send(sender)

        assert response.json() == {"email": BOB, "confirmed": True, "released": 2}
        assert [(each["status"], each["error"]) for each in released] == [("delivered", None)] * 2
        assert later["status"] == "delivered"
        assert len(box.taken) == 4

    @pytest.mark.one_store
    async def test_a_review_is_sent_then(self, sender: Sender, box: Mailbox):
        run_id = await sender.run(await sender.pipeline(REVIEW))
        [held] = await sender.deliveries(run_id, final=1)

        await answer(sender, box, "confirm")

        assert (await sender.finished(held["id"]))["status"] == "delivered"
        assert box.taken[1]["Subject"].startswith("Review needed")

    @pytest.mark.one_store
    async def test_other_workspaces_must_ask_themselves(
        self, sender: Sender, make: Make, login_key: LoginKey, box: Mailbox
    ):
        await send(sender)
        await answer(sender, box, "confirm")
        other = await make.user()

        held = await send(replace(sender, account=other, client=await login_key(other)))

        assert "has not confirmed" in held["error"]

    @pytest.mark.one_store
    async def test_using_the_link_twice_sends_nothing_twice(self, sender: Sender, box: Mailbox):
        held = await send(sender)

        await answer(sender, box, "confirm")
        await sender.finished(held["id"])
        again = await answer(sender, box, "confirm")

        assert again.json()["released"] == 0

    @pytest.mark.one_store
    async def test_a_link_expires_after_seven_days_and_the_next_email_asks_again(
        self, sender: Sender, box: Mailbox, clock: ModuleType
    ):
        await send(sender)
        clock.advance(recipients.LIFETIME)

        late = await answer(sender, box, "confirm")
        await send(sender)

        assert (late.status_code, late.json()["code"]) == (422, "recipient_link_invalid")
        assert len(box.taken) == 2
        assert (await answer(sender, box, "confirm", 1)).json()["released"] == 1

    @pytest.mark.one_store
    @pytest.mark.parametrize("token", ["", "x", "A" * 64, "ä"])
    async def test_other_tokens_are_refused(self, client: httpx2.AsyncClient, token: str):
        for what in ("confirm", "refuse"):
            response = await client.post(f"/api/recipients/{what}", json={"token": token})

            assert (response.status_code, response.json()["code"]) == (
                422,
                "recipient_link_invalid",
            )


@pytest.mark.one_store
class TestRefuse:
    async def test_the_address_is_not_asked_again_by_anyone(
        self, sender: Sender, make: Make, login_key: LoginKey, box: Mailbox, clock: ModuleType
    ):
        await send(sender)
        response = await answer(sender, box, "refuse")
        other = await make.user()
        clock.advance(recipients.LIFETIME)

        same = await send(sender)
        another = await send(replace(sender, account=other, client=await login_key(other)))

        assert response.json() == {"email": BOB, "confirmed": False, "released": 0}
        assert len(box.taken) == 1
        for held in (same, another):
            assert held["error"] == f"{BOB} does not want emails from this server."

    async def test_it_takes_a_confirmation_back(self, sender: Sender, box: Mailbox):
        await send(sender)
        await answer(sender, box, "confirm")
        await answer(sender, box, "refuse")

        assert (await send(sender))["status"] == "failed"

    async def test_confirming_takes_a_refusal_back(self, sender: Sender, box: Mailbox):
        await send(sender)
        await answer(sender, box, "refuse")
        await answer(sender, box, "confirm")

        assert (await send(sender))["status"] == "delivered"


async def test_housekeeping_keeps_confirmed_recipients_and_refusals(
    sender: Sender, box: Mailbox, database: Database, clock: ModuleType
):
    for name in ("asked", "confirmed", "refused"):
        await send(sender, f"{name}@example.com")
        if name != "asked":
            what = "confirm" if name == "confirmed" else "refuse"
            await answer(
                sender, box, what, [m["To"] for m in box.taken].index(f"{name}@example.com")
            )
    clock.advance(recipients.LIFETIME + timedelta(seconds=1))

    async with database.transaction() as session:
        deleted = await housekeeping.sweep_recipients(session, core_clock.now())

    async with database.reading() as session:
        kept = set((await session.execute(sa.select(recipient_rows.c.email))).scalars())
        asked = set((await session.execute(sa.select(asked_addresses.c.email))).scalars())
    assert kept == {"confirmed@example.com"}
    assert asked == {"refused@example.com"}
    assert deleted == 4


@pytest.mark.one_store
async def test_the_page_of_the_link_changes_nothing_by_itself(client: httpx2.AsyncClient):
    page = await client.get("/confirm-recipient")

    assert page.status_code == 200
    assert "No, and never ask me again" in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
