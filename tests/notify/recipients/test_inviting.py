"""Invitations are emails to strangers, too: people can refuse them, and get a limited number a day."""

import asyncio
from datetime import timedelta
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from stepiq.accounts.service import Account
from stepiq.core.mail import Mailer
from stepiq.core.settings.model import Settings
from stepiq.execution.limits.mailboxes import ASKED_A_DAY
from tests.notify.conftest import Sender
from tests.notify.recipients.conftest import BOB, answer, send
from tests.support.clients import Login
from tests.support.mail import Mailbox
from tests.support.make import Make

ENOUGH = f"stepIQ has asked or invited {BOB} 3 times today, which is the maximum."


@pytest.fixture
def invite(login: Login):
    """Invites a person to the workspace of an account, with a new session."""

    async def invite(account: Account, email: str = BOB) -> Any:
        body = {"email": email, "role": "viewer"}
        response = await (await login(account)).post("/api/workspace/invitations", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    return invite


class TestRefused:
    async def test_a_person_who_has_refused_gets_no_invitation_by_email(
        self, sender: Sender, invite, stranger: Account, box: Mailbox
    ):
        await send(sender)
        await answer(sender, box, "refuse")

        made = await invite(stranger, "bob+team@example.com")

        assert made["emailed"] is False
        assert (
            made["unsent_reason"] == "bob+team@example.com does not want emails from this server."
        )
        assert len(box.taken) == 1

    async def test_the_link_works_nevertheless(
        self, sender: Sender, invite, client, stranger: Account, box: Mailbox
    ):
        await send(sender)
        await answer(sender, box, "refuse")
        made = await invite(stranger)

        token = made["url"].partition("#invitation=")[2]
        opened = await client.post("/api/invitations/open", json={"invitation": token})

        assert (opened.status_code, opened.json()["email"]) == (200, BOB)

    async def test_so_it_is_where_confirmation_is_off(
        self, sender: Sender, invite, stranger: Account, box: Mailbox, settings: Settings
    ):
        await send(sender)
        await answer(sender, box, "refuse")
        settings.confirm_recipients = False

        assert (await invite(stranger))["emailed"] is False

    async def test_a_person_who_takes_the_refusal_back_gets_invitations(
        self, sender: Sender, invite, stranger: Account, box: Mailbox
    ):
        await send(sender)
        await answer(sender, box, "refuse")
        await answer(sender, box, "confirm")

        made = await invite(stranger)

        assert (made["emailed"], made["unsent_reason"]) == (True, None)
        assert box.taken[-1]["Subject"] == "Your invitation to a workspace of stepIQ"


class TestLimit:
    async def test_a_mailbox_gets_three_invitations_a_day_from_all_workspaces_together(
        self, invite, make: Make, box: Mailbox, clock: ModuleType
    ):
        accounts = [await make.user() for _ in range(2)]
        made = [
            await invite(accounts[number % 2], f"bob+{number}@example.com") for number in range(3)
        ]

        last = await invite(accounts[1])

        assert [each["emailed"] for each in made] == [True] * 3
        assert (last["emailed"], last["unsent_reason"]) == (False, ENOUGH)
        assert len(box.taken) == 3
        clock.advance(timedelta(days=1))
        assert (await invite(accounts[1]))["emailed"]

    @pytest.mark.both_stores
    async def test_invitations_at_the_same_time_do_not_exceed_it(
        self, invite, make: Make, box: Mailbox
    ):
        accounts = [await make.user() for _ in range(ASKED_A_DAY + 2)]

        made = await asyncio.gather(*(invite(account) for account in accounts))

        assert sum(each["emailed"] for each in made) == len(box.taken) == ASKED_A_DAY

    async def test_emails_that_ask_to_confirm_count_too(
        self, sender: Sender, invite, stranger: Account, box: Mailbox
    ):
        await send(sender)
        made = [await invite(stranger) for _ in range(3)]

        assert [each["emailed"] for each in made] == [True, True, False]
        assert len(box.taken) == 3

    async def test_invitations_count_for_emails_that_ask_to_confirm(
        self, sender: Sender, invite, stranger: Account, box: Mailbox
    ):
        for _ in range(ASKED_A_DAY):
            await invite(stranger)

        held = await send(sender)

        assert "it has asked or invited them 3 times today" in held["error"]
        assert len(box.taken) == ASKED_A_DAY

    async def test_another_mailbox_has_its_own_count(self, invite, stranger: Account, box: Mailbox):
        for _ in range(ASKED_A_DAY + 1):
            await invite(stranger)

        assert (await invite(stranger, "eve@example.com"))["emailed"]

    async def test_where_confirmation_is_off_there_is_none(
        self, invite, stranger: Account, box: Mailbox, settings: Settings
    ):
        settings.confirm_recipients = False

        made = [await invite(stranger) for _ in range(ASKED_A_DAY + 1)]

        assert all(each["emailed"] for each in made)
        assert len(box.taken) == ASKED_A_DAY + 1


class TestUnsent:
    async def test_the_answer_says_why_the_mail_server_did_not_take_it(
        self, invite, stranger: Account, box: Mailbox
    ):
        box.refuse["RCPT"] = "550 5.1.1 no such user"

        made = await invite(stranger)

        assert made["emailed"] is False
        assert made["unsent_reason"] == (
            "The mail server rejected the recipient: 550 5.1.1 no such user"
        )

    async def test_it_does_not_show_the_address_or_settings_of_the_mail_server(
        self, invite, stranger: Account, box: Mailbox, capsys
    ):
        box.refuse["MAIL"] = "553 not yours"

        made = await invite(stranger)

        assert made["unsent_reason"] == (
            "The email of this server does not work at the moment. The operator can find the reason in the log."
        )
        assert "rejected the sender; see STEPIQ_MAIL_FROM: 553 not yours" in capsys.readouterr().out


class TestRepeated:
    @pytest.fixture
    def twice(self, login: Login, stranger: Account):
        """Sends the same invitation twice, with one key."""

        async def twice() -> Any:
            client = await login(stranger)
            body = {"email": BOB, "role": "viewer"}
            headers = {"Idempotency-Key": "once"}
            path = "/api/workspace/invitations"
            return [await client.post(path, json=body, headers=headers) for _ in range(2)]

        return twice

    @pytest.mark.both_stores
    async def test_it_is_created_and_sent_once(self, twice, box: Mailbox):
        first, again = await twice()

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["emailed"] is True
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(box.taken) == 1

    async def test_the_answer_also_says_again_that_the_email_was_not_sent(
        self, twice, box: Mailbox
    ):
        box.refuse["RCPT"] = "550 no such user"

        first, again = await twice()

        assert "rejected the recipient: 550." in first.json()["unsent_reason"]
        assert again.json() == first.json()

    async def test_while_the_email_is_sent_a_repetition_waits(
        self, login: Login, stranger: Account, monkeypatch: pytest.MonkeyPatch
    ):
        sending, may_end = asyncio.Event(), asyncio.Event()

        async def send(*_: Any) -> None:
            sending.set()
            await may_end.wait()

        monkeypatch.setattr(Mailer, "send", send)
        client = await login(stranger)
        invite = partial(
            client.post,
            "/api/workspace/invitations",
            json={"email": BOB, "role": "viewer"},
            headers={"Idempotency-Key": "once"},
        )

        first = asyncio.create_task(invite())
        await sending.wait()
        meanwhile = await invite()
        may_end.set()

        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_in_progress")
        assert (await first).json()["emailed"] is True

    async def test_nobody_knows_whether_a_process_that_was_killed_has_sent_it(
        self, twice, box: Mailbox, monkeypatch: pytest.MonkeyPatch
    ):
        async def killed(*_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(Mailer, "send", killed)

        _, again = await twice()

        assert again.status_code == 201
        assert again.json()["emailed"] is False
        assert again.json()["unsent_reason"].startswith("It is not known whether")
