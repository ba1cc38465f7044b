"""A server with open registration and a mail server, whose recipients must confirm."""

import re
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from stepiq.core.settings.model import RegistrationPolicy, Settings
from tests.notify.conftest import Sender
from tests.support.clients import LoginKey
from tests.support.mail import Mailbox, mail_server

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
            "registration": RegistrationPolicy.OPEN,
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
