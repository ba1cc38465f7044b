"""The pages for administrators."""

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible,
    expect_signed_in,
    open_session,
)


async def test_an_administrator_sees_the_state_of_the_server(page: Page, ui_server: UiServer):
    await open_session(page, ui_server.admin)
    await page.goto("/pipelines")
    await page.get_by_role("link", name="Admin").click()

    await expect(page.get_by_role("list", name="Checks")).to_contain_text("database")
    await expect(page.get_by_role("table", name="Queues")).to_contain_text("Runs")
    await expect(page.get_by_role("table", name="Workers")).to_contain_text("Live")

    await page.get_by_role("link", name="Problems").click()
    # Other tests on this server may have left some deliveries.
    failing = page.get_by_role("table", name="Failing deliveries")
    await expect(page.get_by_text("No failing deliveries").or_(failing)).to_be_visible()

    await page.get_by_role("link", name="Server settings").click()
    settings = page.get_by_role("table", name="Server settings")
    await expect(settings).to_contain_text("STEPIQ_DATA_DIR")
    assert "sk-fake" not in await settings.inner_text()


async def test_a_disabled_account_loses_its_access(
    page: Page, ui_server: UiServer, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, ui_server.admin)
    await page.goto("/admin/users")
    await page.get_by_role("searchbox", name="Find an address or a name").fill(person.email)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name=f"Disable {person.email}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Disable").click()

    await expect(page.get_by_role("button", name=f"Enable {person.email}")).to_be_visible()
    assert (await api.get("/api/user/me")).status_code == 401
    await assert_accessible(page)


async def test_other_accounts_are_refused(page: Page, person: Person, problems: PageProblems):
    # The browser asks for the page's data before the account is known.
    problems.expect("status of 403")
    await open_session(page, person)
    await page.goto("/pipelines")
    await expect_signed_in(page)
    await expect(page.get_by_role("link", name="Admin")).to_have_count(0)

    await page.goto("/admin")

    await expect(page.get_by_text("Administrators only")).to_be_visible()
