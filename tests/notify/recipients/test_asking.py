"""Email goes only to verified members and to recipients who have confirmed, where strangers can register."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from stepiq.core import clock as core_clock
from stepiq.core import ids
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.notify import queries as delivery_queries
from stepiq.notify.outbox import DeliveryOutbox
from stepiq.notify.recipients import queries
from stepiq.notify.recipients import service as recipients
from stepiq.notify.records import Unconfirmed
from stepiq.store.database import Database
from tests.notify.conftest import Sender
from tests.notify.recipients.conftest import BOB, REPORT, answer, send, token_of
from tests.support.clients import Login, LoginKey
from tests.support.mail import Mailbox
from tests.support.make import Make


class TestTurnedOff:
    async def test_a_recipient_who_has_refused_gets_no_email(
        self, sender: Sender, box: Mailbox, outbox: DeliveryOutbox
    ):
        await send(sender)
        await answer(sender, box, "refuse")
        outbox._courier._preparer.recipients._is_on = False

        delivery = await send(sender, "bob+news@example.com")

        assert len(box.taken) == 1
        assert delivery["status"] == "failed"
        assert "does not want emails from this server" in delivery["error"]


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
            f"{BOB} has not confirmed that they want emails from this workspace."
            in delivery["error"]
        )
        assert "sends this email if they confirm by" in delivery["error"]

    @pytest.mark.both_stores
    async def test_an_owner_asks_if_the_author_is_no_longer_a_member(
        self, sender: Sender, make: Make, login: Login, box: Mailbox
    ):
        author, _ = [await make.member(sender.account) for _ in range(2)]
        pipeline_id = await make.pipeline(author, source=REPORT.format(to=BOB))
        owner = await login(sender.account)
        removed = await owner.delete(f"/api/workspace/members/{author.id}")
        assert removed.status_code == 200

        await sender.deliveries(await sender.run(pipeline_id), final=1)

        [mail] = box.taken
        assert mail.get_content().startswith(f"{sender.account.email} wants to send you emails")

    @pytest.mark.one_store
    async def test_they_are_asked_once(self, sender: Sender, box: Mailbox):
        await send(sender)
        again = await send(sender, "Bob@Example.com")

        assert len(box.taken) == 1
        assert "has not confirmed" in again["error"]

    @pytest.mark.both_stores
    async def test_emails_at_the_same_time_ask_once(self, sender: Sender, box: Mailbox):
        pipeline = await sender.pipeline(REPORT.format(to=BOB))
        runs = await asyncio.gather(*(sender.run(pipeline) for _ in range(4)))
        for run_id in runs:
            await sender.deliveries(run_id, final=1)

        assert len(box.taken) == 1
        assert (await answer(sender, box, "confirm")).json()["released"] == 4

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
        assert "has asked or invited them 3 times today, which is the maximum" in held[2]["error"]
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
    async def test_if_the_mail_server_is_busy_the_next_email_asks_with_the_same_link(
        self, sender: Sender, box: Mailbox
    ):
        seen: list[str] = []

        def judge(mail: EmailMessage) -> str:
            seen.append(token_of(mail))
            return "451 Later"

        box.judge = judge
        held = await send(sender)
        box.judge = None
        await send(sender)

        assert "the email that asks for this was not sent" in held["error"]
        assert seen == [token_of(mail) for mail in box.taken]

    @pytest.mark.one_store
    async def test_what_was_held_while_the_mail_server_was_busy_is_sent_too(
        self, sender: Sender, box: Mailbox
    ):
        box.refuse["RCPT"] = "451 Later"
        held = await send(sender)
        box.refuse.clear()
        await send(sender)

        released = await answer(sender, box, "confirm")

        assert released.json()["released"] == 2
        assert (await sender.finished(held["id"]))["status"] == "delivered"

    @pytest.mark.one_store
    async def test_trying_again_does_not_count_again(
        self, make: Make, sender: Sender, login_key: LoginKey, box: Mailbox
    ):
        account = await make.user(plan="two")
        limited = replace(sender, account=account, client=await login_key(account))
        box.refuse["RCPT"] = "451 Later"

        held = [await send(limited) for _ in range(5)]

        assert "try again" in held[4]["error"]

    @pytest.mark.both_stores
    async def test_an_email_that_the_mail_server_refuses_does_not_count_as_sent(
        self, sender: Sender, box: Mailbox, clock: ModuleType
    ):
        box.refuse["RCPT"] = "550 Unknown"
        first = await send(sender)
        box.refuse.clear()
        second = await send(sender)
        clock.advance(timedelta(days=1))
        third = await send(sender)

        assert "Check the address." in first["error"]
        assert "The email that asks for this has not been sent yet." in second["error"]
        assert "stepIQ asked them by email on" in third["error"]
        assert len(box.taken) == 1

    async def test_an_email_whose_process_ended_is_sent_five_minutes_later(
        self, sender: Sender, box: Mailbox, database: Database, clock: ModuleType
    ):
        async with database.transaction() as session:
            await queries.begin_ask(
                session,
                ids.uuid7(),
                sender.account.workspace_id,
                BOB,
                now=core_clock.now(),
                lifetime=recipients.LIFETIME,
                retried_within=timedelta(days=1),
                trying=timedelta(minutes=5),
            )

        early = await send(sender)
        clock.advance(timedelta(minutes=5))
        later = await send(sender)

        assert "The email that asks for this has not been sent yet." in early["error"]
        assert "stepIQ asked them by email on" in later["error"]
        assert len(box.taken) == 1

    @pytest.mark.one_store
    async def test_an_email_that_cannot_be_sent_asks_nobody(self, sender: Sender, box: Mailbox):
        broken = REPORT.format(to=BOB).replace("]}", '], subject: "{{input.topic.no.such}}"}')

        held = await sender.sent(broken)

        assert "`subject` cannot be rendered" in held["error"]
        assert box.taken == []

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


class TestConsent:
    @pytest.mark.one_store
    async def test_it_is_that_of_the_address_that_the_email_goes_to(
        self, sender: Sender, outbox: DeliveryOutbox, database: Database
    ):
        held = await send(sender)
        async with database.reading() as session:
            delivery = await delivery_queries.find(
                session, sender.account.workspace_id, UUID(held["id"])
            )
            assert delivery is not None
            # Shown is the address of a member.
            other = replace(delivery, target={"type": "email", "to": sender.account.email})
            prepared = await outbox._courier._preparer.prepare(session, other)

        assert isinstance(prepared, Unconfirmed)
        assert prepared.to == BOB

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
    @pytest.mark.parametrize(
        "changes", [{"registration": RegistrationPolicy.INVITE}, {"smtp_url": None}]
    )
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
