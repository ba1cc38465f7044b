"""Pages that links from emails open. None needs an account."""

import re
from pathlib import Path
from uuid import uuid4

import httpx2
import sqlalchemy as sa
from playwright.async_api import Page, expect

from stepiq.store.tables import users
from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    UiServer,
    assert_accessible,
    linked_in_mail,
)

RESET_LINK = r"/reset-password#token=\S+"
FAILING_PIPELINE = """
name: Lookup
notifications:
  on_failure:
    - type: email
      to: ADDRESS
steps:
  - id: read
    type: transform
    set: {secret: "'the output'"}
  - id: look
    type: webhook
    url: http://127.0.0.1:9/<b>nowhere</b>
"""


def forget_verification(data: Path, email: str) -> None:
    """Make an account one whose address is not verified."""
    engine = sa.create_engine(f"sqlite:///{data / 'stepiq.db'}", connect_args={"timeout": 30})
    with engine.begin() as connection:
        connection.execute(
            sa.update(users).where(users.c.email == email).values(email_verified_at=None)
        )
    engine.dispose()


class TestRun:
    async def test_it_shows_how_a_run_failed_and_no_data(
        self, page: Page, api: httpx2.AsyncClient, ui_server: UiServer
    ):
        address = f"{uuid4().hex}@example.com"
        definition = FAILING_PIPELINE.replace("ADDRESS", address)
        headers = {"Content-Type": "application/yaml"}
        made = await api.post("/api/pipelines", content=definition, headers=headers)
        assert made.status_code == 201, made.text
        run = await api.post(
            f"/api/pipelines/{made.json()['id']}/run?wait=20", json={"input": {"name": "the input"}}
        )
        link = await linked_in_mail(ui_server, address, r"/run-status#\S+")

        await page.goto(link)

        await expect(page.get_by_role("heading", name="Lookup")).to_be_visible()
        await expect(page.get_by_role("status")).to_contain_text("The run failed at step look on")
        await expect(page.get_by_role("region", name="What failed")).to_contain_text("127.0.0.1")
        rows = page.get_by_role("table", name="Steps").get_by_role("row")
        await expect(rows.nth(1)).to_contain_text(re.compile("^read.*Completed"))
        await expect(rows.nth(2)).to_contain_text(re.compile("^look.*Failed"))
        await expect(page.get_by_text(run.json()["id"])).to_be_visible()
        text = await page.locator("body").inner_text()
        assert "the output" not in text
        assert "the input" not in text
        await assert_accessible(page)

    async def test_a_wrong_link_is_explained(self, page: Page, problems: PageProblems):
        problems.expect("status of 404")

        await page.goto("/run-status#abc")
        await expect(page.get_by_role("alert")).to_contain_text("This link is not valid.")
        await page.goto("/login")
        await page.goto("/run-status")
        await expect(page.get_by_role("alert")).to_contain_text("This link is incomplete")


class TestReset:
    async def test_a_link_sets_a_new_password_once(
        self,
        page: Page,
        person: Person,
        api: httpx2.AsyncClient,
        ui_server: UiServer,
        problems: PageProblems,
    ):
        problems.expect("status of 4")
        await api.post("/api/auth/forgot-password", json={"email": person.email})
        link = await linked_in_mail(ui_server, person.email, RESET_LINK)

        await page.goto(link)
        await expect(page).to_have_url(f"{ui_server.url}/reset-password")
        await assert_accessible(page)
        await page.get_by_role("textbox", name="New password").fill("short")
        await page.get_by_role("button", name="Set password").click()
        await expect(page.get_by_text("at least 8")).not_to_have_count(0)
        await page.get_by_role("textbox", name="New password").fill(PASSWORD[::-1])
        await page.get_by_role("button", name="Set password").click()
        await expect(page.get_by_role("status")).to_contain_text("Your new password is set.")

        await page.goto("/login")
        await page.goto(link)
        await page.get_by_role("textbox", name="New password").fill(PASSWORD)
        await page.get_by_role("button", name="Set password").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        login = {"email": person.email, "password": PASSWORD[::-1]}
        assert (await api.post("/api/auth/login", json=login)).status_code == 200

    async def test_the_owner_of_an_unverified_address_sees_what_has_ended(
        self, page: Page, person: Person, api: httpx2.AsyncClient, ui_server: UiServer
    ):
        made = await api.post("/api/workspace/service-keys", json={"name": "Left behind"})
        assert made.status_code == 201
        # This server has no mail server, so all its accounts are verified.
        forget_verification(ui_server.data, person.email)
        await api.post("/api/auth/forgot-password", json={"email": person.email})

        await page.goto(await linked_in_mail(ui_server, person.email, RESET_LINK))
        await page.get_by_role("textbox", name="New password").fill(PASSWORD[::-1])
        await page.get_by_role("button", name="Set password").click()

        await expect(page.get_by_text("Your address was not verified until now")).to_be_visible()
        await expect(page.get_by_text("Service keys revoked: 1.")).to_be_visible()
        await assert_accessible(page)

    async def test_half_a_link_is_explained(self, page: Page):
        await page.goto("/reset-password")

        await expect(page.get_by_text("This link is incomplete.")).to_be_visible()
        await expect(page.get_by_role("button", name="Set password")).to_have_count(0)


class TestVerify:
    async def test_opening_a_link_verifies_nothing(self, page: Page, problems: PageProblems):
        problems.expect("status of 4")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        await page.goto("/verify-email#token=abc")
        verify = page.get_by_role("button", name="Verify")
        await expect(verify).to_be_visible()
        await assert_accessible(page)
        assert not [url for url in sent if url.endswith("/verify-email") and "/api/" in url]

        await verify.click()

        await expect(page.get_by_role("alert")).to_contain_text("This link is invalid")

    async def test_who_did_not_register_is_sent_to_the_reset(self, page: Page):
        await page.goto("/verify-email#token=abc")

        await page.get_by_role("link", name="I did not create an account").click()

        await expect(page.get_by_role("heading", name="Reset your password")).to_be_visible()
