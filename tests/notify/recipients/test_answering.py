"""What recipients do with the links in their emails, and what is kept of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from types import ModuleType
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts import http
from stepiq.core import clock as core_clock
from stepiq.core import ids
from stepiq.execution.limits import mailboxes
from stepiq.notify import queries as delivery_queries
from stepiq.notify.recipients import service as recipients
from stepiq.store.database import Database
from stepiq.store.tables import asked_addresses, deliveries
from stepiq.store.tables import recipients as recipient_rows
from tests.notify.conftest import Sender
from tests.notify.recipients.conftest import BOB, REVIEW, answer, send, token_of
from tests.support.clients import Login, LoginKey
from tests.support.locks import until_one_waits
from tests.support.mail import Mailbox
from tests.support.make import Make


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

        assert (late.status_code, late.json()["code"]) == (422, "recipient_link_expired")
        assert len(box.taken) == 2
        assert (await answer(sender, box, "confirm", 1)).json()["released"] == 1

    @pytest.mark.both_stores
    async def test_an_old_email_that_was_redelivered_is_sent(
        self, sender: Sender, box: Mailbox, clock: ModuleType
    ):
        held = await send(sender)
        clock.advance(recipients.LIFETIME)
        await sender.client.post(f"/api/deliveries/{held['id']}/redeliver")
        await sender.finished(held["id"])

        response = await answer(sender, box, "confirm", 1)

        assert response.json()["released"] == 1
        assert (await sender.finished(held["id"]))["status"] == "delivered"

    @pytest.mark.one_store
    async def test_it_sends_the_oldest_hundred_at_most(
        self, sender: Sender, box: Mailbox, database: Database
    ):
        held = await send(sender)
        async with database.transaction() as session:
            one = sa.select(deliveries).where(deliveries.c.id == UUID(held["id"]))
            row = (await session.execute(one)).one()._mapping
            copies = [{**row, "id": ids.uuid7()} for _ in range(100)]
            await session.execute(deliveries.insert(), copies)

        response = await answer(sender, box, "confirm")

        async with database.reading() as session:
            left = deliveries.c.recipient_id.is_not(None)
            still_held = (await session.execute(sa.select(deliveries.c.id).where(left))).scalars()
            assert list(still_held) == [max(copy["id"] for copy in copies)]
        assert response.json()["released"] == 100

    @pytest.mark.both_stores
    @pytest.mark.parametrize("other", ["redeliver", "drop"])
    async def test_what_another_transaction_takes_meanwhile_is_not_released(
        self, sender: Sender, box: Mailbox, database: Database, other: str
    ):
        held = UUID((await send(sender))["id"])
        async with database.reading() as session:
            of_held = sa.select(deliveries.c.recipient_id).where(deliveries.c.id == held)
            recipient_id = await session.scalar(of_held)

        async def release():
            async with database.transaction() as session:
                since = core_clock.now() - recipients.LIFETIME
                return await delivery_queries.release(session, recipient_id, since, 100)

        async with database.transaction() as session:
            if other == "drop":
                await delivery_queries.drop_held(session, recipient_id, "Refused.")
            else:
                await delivery_queries.reopen(session, sender.account.workspace_id, held)
            releasing = asyncio.create_task(release())
            await until_one_waits(database)

        assert await releasing == []


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
            assert held["error"].startswith(f"{BOB} does not want emails from this server.")

    async def test_held_emails_are_dropped_and_say_so(self, sender: Sender, box: Mailbox):
        held = await send(sender)

        await answer(sender, box, "refuse")
        confirmed = await answer(sender, box, "confirm")

        assert "does not want emails" in (await sender.finished(held["id"]))["error"]
        assert confirmed.json()["released"] == 0

    async def test_the_link_does_not_expire(
        self, sender: Sender, box: Mailbox, database: Database, clock: ModuleType
    ):
        await send(sender)
        clock.advance(timedelta(days=1_000))
        async with database.transaction() as session:
            await mailboxes.sweep(session, core_clock.now())

        assert (await answer(sender, box, "refuse")).status_code == 200

    async def test_the_part_after_a_plus_makes_another_recipient_but_not_another_mailbox(
        self, sender: Sender, box: Mailbox
    ):
        held = await send(sender, "bob+a@example.com")
        await answer(sender, box, "confirm")
        await sender.finished(held["id"])
        other = await send(sender, "bob+b@example.com")
        await answer(sender, box, "refuse", 2)
        third = await send(sender)

        assert "has not confirmed" in other["error"]
        assert "does not want emails" in third["error"]
        assert (await send(sender, "bob+a@example.com"))["status"] == "delivered"

    async def test_emails_have_a_link_to_stop_them(self, sender: Sender, box: Mailbox):
        held = await send(sender)
        await answer(sender, box, "confirm")
        await sender.finished(held["id"])

        await answer(sender, box, "refuse", 1)

        assert "To stop emails of this sender, open this link:" in box.taken[1].get_content()
        assert (await send(sender))["status"] == "failed"

    async def test_a_mail_server_that_quotes_the_link_does_not_bring_it_into_the_delivery(
        self, sender: Sender, box: Mailbox
    ):
        held = await send(sender)
        await answer(sender, box, "confirm")
        await sender.finished(held["id"])
        seen: list[str] = []

        def judge(mail: EmailMessage) -> str:
            seen.append(token_of(mail))
            return f"554 blocked {seen[-1]}"

        box.judge = judge
        refused = await send(sender)

        assert "refused the email with code 554" in refused["error"]
        assert seen[0] not in str(refused)


class TestRemovedMembers:
    @pytest.fixture
    async def remove(self, sender: Sender, make: Make, login: Login):
        """Makes Bob a member of the sender's workspace, and removes him."""

        async def remove() -> None:
            bob = await make.member(sender.account, email=BOB)
            owner = await login(sender.account)
            removed = await owner.delete(f"/api/workspace/members/{bob.id}")
            assert removed.status_code == 200

        return remove

    async def test_their_confirmation_ends(
        self, sender: Sender, box: Mailbox, remove: Callable[[], Awaitable[None]]
    ):
        await send(sender)
        await answer(sender, box, "confirm")

        await remove()

        assert "has not confirmed" in (await send(sender))["error"]

    async def test_not_for_another_workspace(
        self,
        sender: Sender,
        make: Make,
        login_key: LoginKey,
        box: Mailbox,
        remove: Callable[[], Awaitable[None]],
    ):
        account = await make.user()
        other = replace(sender, account=account, client=await login_key(account))
        await send(other)
        await answer(other, box, "confirm")

        await remove()

        assert (await send(other))["status"] == "delivered"

    async def test_nor_for_another_address(
        self, sender: Sender, box: Mailbox, remove: Callable[[], Awaitable[None]]
    ):
        await send(sender, "eve@example.com")
        await answer(sender, box, "confirm")

        await remove()

        assert (await send(sender, "eve@example.com"))["status"] == "delivered"


@pytest.mark.one_store
class TestLinks:
    @pytest.mark.parametrize("token", ["", "x", "A" * 64, "ä"])
    async def test_other_tokens_are_refused_without_waiting_for_writers(
        self, client: httpx2.AsyncClient, database: Database, token: str
    ):
        async with database.transaction(), asyncio.timeout(20):
            answers = [
                await client.post(f"/api/recipients/{what}", json={"token": token})
                for what in ("confirm", "refuse")
            ]

        for response in answers:
            assert (response.status_code, response.json()["code"]) == (
                422,
                "recipient_link_invalid",
            )

    async def test_one_client_can_try_so_many_a_minute(
        self, sender: Sender, box: Mailbox, client: httpx2.AsyncClient
    ):
        await send(sender)
        for _ in range(http.LINKS_A_MINUTE):
            await client.post("/api/recipients/confirm", json={"token": "bad"})

        for what in ("confirm", "refuse"):
            assert (await answer(sender, box, what)).status_code == 429

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


@pytest.mark.both_stores
async def test_housekeeping_keeps_recipients_and_refusals(
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
        deleted = await mailboxes.sweep(session, core_clock.now())

    async with database.reading() as session:
        kept = set((await session.execute(sa.select(recipient_rows.c.email))).scalars())
        asked = set((await session.execute(sa.select(asked_addresses.c.email))).scalars())
    assert kept == {"asked@example.com", "confirmed@example.com", "refused@example.com"}
    assert asked == {"refused@example.com"}
    assert deleted == 2
