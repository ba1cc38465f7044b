"""The page on which a recipient confirms or refuses emails. Only a click answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from stepiq.core import clock
from stepiq.core.settings.model import Settings
from stepiq.notify.recipients.service import RecipientLink, RecipientLinks
from tests.support.ports import free_port
from tests.support.process import first_account, proof_of_operator, running_server
from tests.ui.kept_context import KeptContext
from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible,
    linked_in_mail,
    open_context,
)

pytestmark = pytest.mark.one_store

REPORT = """
name: Report
steps: [{id: write, type: transform, template: Hello}]
output:
  deliver:
    - {type: email, to: RECIPIENT}
"""


@dataclass(frozen=True)
class Demanding:
    """A server whose recipients must confirm, and the headers of its owner."""

    server: UiServer
    headers: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demanding(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demanding]:
    folder = tmp_path_factory.mktemp("recipients")
    environment = {"STEPIQ_CONFIRM_RECIPIENTS": "true"}
    async with running_server(folder, free_port(), environment) as process:
        async with httpx2.AsyncClient(base_url=process.url, timeout=60) as client:
            headers = await first_account(client, process.data)
        owner = Person("owner@example.com", "", "")
        proof = proof_of_operator(process.data)
        yield Demanding(UiServer(process.url, owner, proof, process.data), headers)


@pytest.fixture
def server(demanding: Demanding) -> UiServer:
    return demanding.server


@pytest_asyncio.fixture(loop_scope="session")
async def bob(demanding: Demanding) -> str:
    """An address whose owner the server has asked. It holds an email to him."""
    address = f"bob-{uuid4().hex[:12]}@example.com"
    async with httpx2.AsyncClient(
        base_url=demanding.server.url, headers=demanding.headers, timeout=60
    ) as client:
        made = await client.post(
            "/api/pipelines",
            content=REPORT.replace("RECIPIENT", address),
            headers={"Content-Type": "application/yaml"},
        )
        await client.post(f"/api/pipelines/{made.json()['id']}/run?wait=20", json={})
    return address


@pytest_asyncio.fixture(loop_scope="session")
async def page_problems(server: UiServer) -> PageProblems:
    return PageProblems(server.url)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept_visitor(browser: Browser, demanding: Demanding) -> AsyncIterator[KeptContext]:
    url = demanding.server.url
    kept = KeptContext(partial(open_context, browser, url), url)
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(kept_visitor: KeptContext, page_problems: PageProblems) -> AsyncIterator[Page]:
    """A page of somebody without an account."""
    async with kept_visitor.lent(page_problems) as context:
        yield await context.new_page()


async def test_a_click_confirms_and_opening_the_link_does_not(
    visitor: Page, server: UiServer, bob: str
) -> None:
    answers: list[str] = []
    visitor.on(
        "request", lambda sent: answers.append(sent.url) if "recipient" in sent.url else None
    )
    link = await linked_in_mail(server, bob, r"/confirm-recipient#token=\S+")

    await visitor.goto(link)
    await expect(visitor.get_by_role("button", name="No, and never ask me again")).to_be_enabled()
    await assert_accessible(visitor)
    await visitor.wait_for_load_state("networkidle")
    assert [each for each in answers if "/api/" in each] == []
    await visitor.get_by_role("button", name="Yes, send them").click()

    await expect(visitor.get_by_role("status")).to_contain_text(f"Confirmed. {bob} now gets")
    await expect(visitor.get_by_role("status")).to_contain_text("One email that waited is sent now")
    await expect(visitor.get_by_role("button")).to_have_count(0)


async def test_a_link_that_is_too_old_to_confirm_can_refuse(
    visitor: Page, server: UiServer, bob: str, page_problems: PageProblems
) -> None:
    page_problems.expect("status of 422")
    asked = await linked_in_mail(server, bob, r"/confirm-recipient#token=\S+")
    links = RecipientLinks(Settings(data_dir=server.data))
    recipient = links.read(asked.partition("token=")[2]).recipient_id
    old = links.token(RecipientLink(recipient, clock.now() - timedelta(seconds=1)))

    await visitor.goto(f"/confirm-recipient#token={old}")
    await visitor.get_by_role("button", name="Yes, send them").click()
    await expect(visitor.get_by_role("alert")).to_contain_text(
        "You could confirm with this link until"
    )
    await visitor.get_by_role("button", name="No, and never ask me again").click()

    await expect(visitor.get_by_role("status")).to_contain_text(f"Done. {bob} gets no more emails")


async def test_wrong_links_are_explained(visitor: Page, page_problems: PageProblems) -> None:
    page_problems.expect("status of 422")

    await visitor.goto("/confirm-recipient")
    await expect(visitor.get_by_role("alert")).to_contain_text("This link is incomplete")
    await visitor.goto("/login")
    await visitor.goto("/confirm-recipient#token=abc")
    await visitor.get_by_role("button", name="Yes, send them").click()
    await expect(visitor.get_by_role("alert")).to_contain_text("This link is not valid.")
