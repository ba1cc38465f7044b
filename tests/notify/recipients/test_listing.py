"""The recipients that a workspace sees, and what they have answered."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from stepiq.notify.recipients import service as recipients
from tests.notify.conftest import Sender
from tests.notify.recipients.conftest import BOB, answer, send
from tests.support.clients import LoginKey
from tests.support.mail import Mailbox
from tests.support.make import Make

pytestmark = pytest.mark.both_stores


async def listed(sender: Sender, **query: Any) -> list[dict[str, Any]]:
    response = await sender.client.get("/api/recipients", params=query)
    assert response.status_code == 200, response.text
    return response.json()["data"]


class TestStatus:
    async def test_it_follows_the_answers_of_a_recipient(self, sender: Sender, box: Mailbox):
        await send(sender)
        [asked] = await listed(sender)
        await answer(sender, box, "confirm")
        [confirmed] = await listed(sender)
        await answer(sender, box, "refuse")
        [refused] = await listed(sender)

        assert [each["status"] for each in (asked, confirmed, refused)] == [
            "asked",
            "confirmed",
            "refused",
        ]
        assert asked["email"] == BOB
        assert asked["expires_at"] > asked["asked_at"]
        assert confirmed["confirmed_at"]
        assert confirmed["expires_at"] is None
        assert refused["confirmed_at"] is None

    @pytest.mark.one_store
    async def test_a_recipient_who_does_not_answer_in_time_has_expired(
        self, sender: Sender, clock: ModuleType
    ):
        await send(sender)

        clock.advance(recipients.LIFETIME)

        [expired] = await listed(sender)
        assert (expired["status"], expired["expires_at"]) == ("expired", None)

    @pytest.mark.one_store
    async def test_a_question_that_was_not_sent_is_not_asked(self, sender: Sender, box: Mailbox):
        box.refuse = {"RCPT": "550 no such mailbox"}

        await send(sender)

        assert [each["status"] for each in await listed(sender)] == ["not_asked"]


class TestList:
    async def test_it_has_pages_newest_first(self, sender: Sender):
        for name in ("first", "second", "third"):
            await send(sender, f"{name}@example.com")

        response = await sender.client.get("/api/recipients", params={"limit": 2})
        rest = await listed(sender, cursor=response.json()["next_cursor"])

        found = [each["email"] for each in response.json()["data"] + rest]
        assert found == ["third@example.com", "second@example.com", "first@example.com"]

    @pytest.mark.one_store
    async def test_other_workspaces_do_not_see_them(
        self, sender: Sender, make: Make, login_key: LoginKey
    ):
        await send(sender)
        other = await make.user()

        assert await listed(replace(sender, account=other, client=await login_key(other))) == []
