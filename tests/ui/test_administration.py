"""The pages with which administrators manage accounts and workspaces."""

import re
from typing import Any

import httpx2
from playwright.async_api import Page, expect

from stepiq.accounts.two_factor import codes
from stepiq.core import clock
from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    UiServer,
    assert_accessible_in_both_themes,
    open_session,
)


async def me(api: httpx2.AsyncClient) -> dict[str, Any]:
    return (await api.get("/api/user/me")).json()


async def test_filters_of_accounts_are_in_the_address(
    page: Page, ui_server: UiServer, person: Person
):
    await open_session(page, ui_server.admin)
    await page.goto("/admin/users")
    rows = page.get_by_role("table", name="Users").get_by_role("row")

    await page.get_by_role("searchbox", name="Find an address or a name").fill(person.email)
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(2)
    await page.goto(f"/admin/users?q={person.email}&kind=administrators")
    await expect(page.get_by_text("No account matches")).to_be_visible()
    await page.go_back()
    await expect(rows).to_have_count(2)
    await page.get_by_role("link", name=person.email).click()
    await expect(page.get_by_role("heading", name=person.email)).to_be_visible()


async def test_an_account_is_made_administrator_and_gets_a_password_link(
    page: Page, ui_server: UiServer, person: Person, api: httpx2.AsyncClient
):
    user = await me(api)
    await open_session(page, ui_server.admin)
    await page.goto(f"/admin/users/{user['id']}")

    await page.get_by_role("button", name="Make administrator").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make administrator").click()
    await expect(page.get_by_role("button", name="Remove administrator rights")).to_be_visible()
    assert (await me(api))["is_admin"] is True

    await page.get_by_role("button", name="Reset password").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Create link").click()
    link = dialog.get_by_text(re.compile("#token="))
    await expect(link).to_be_visible()
    await assert_accessible_in_both_themes(page)
    token = (await link.inner_text()).partition("#token=")[2].strip()
    body = {"token": token, "password": f"{PASSWORD} again"}
    assert (await api.post("/api/auth/reset-password", json=body)).status_code == 200


async def test_the_two_factor_sign_in_of_a_person_is_turned_off(
    page: Page, ui_server: UiServer, person: Person, api: httpx2.AsyncClient
):
    secret = (await api.post("/api/user/totp")).json()["secret"]
    code = codes.code_of(secret, codes.step_at(clock.now()))
    (await api.post("/api/user/totp/confirm", json={"code": code})).raise_for_status()
    await open_session(page, ui_server.admin)
    await page.goto(f"/admin/users/{(await me(api))['id']}")
    turn_off = page.get_by_role("button", name="Turn off two-factor sign-in")

    await turn_off.click()
    dialog = page.get_by_role("dialog", name="Turn off two-factor sign-in")
    await expect(dialog).to_contain_text("Make sure that the request comes from this person")
    await assert_accessible_in_both_themes(page)
    await dialog.get_by_role("button", name="Turn off two-factor sign-in").click()

    await expect(turn_off).to_have_count(0)
    assert (await api.get("/api/user/totp")).json()["enabled"] is False


async def test_an_account_is_deleted_after_its_address_was_typed(
    page: Page, ui_server: UiServer, person: Person, api: httpx2.AsyncClient
):
    user = await me(api)
    await open_session(page, ui_server.admin)
    await page.goto(f"/admin/users/{user['id']}")

    await page.get_by_role("button", name="Delete account").click()
    dialog = page.get_by_role("dialog")
    delete = dialog.get_by_role("button", name="Delete account")
    await expect(dialog.get_by_role("radio", name="Keep them")).to_be_checked()
    await assert_accessible_in_both_themes(page)
    await dialog.get_by_role("radio", name="Erase them").check()
    await expect(delete).to_be_disabled()
    await dialog.get_by_role("textbox").fill(person.email)
    await delete.click()

    await expect(page).to_have_url(re.compile("/admin/users$"))
    assert (await api.get("/api/user/me")).status_code == 401
    await page.goto(f"/admin/workspaces/{user['workspace']['id']}")
    await expect(page.get_by_text("The data of this workspace is being erased.")).to_be_visible()


async def test_plan_and_limits_of_a_workspace_are_changed(
    page: Page,
    ui_server: UiServer,
    person: Person,
    api: httpx2.AsyncClient,
    admin_api: httpx2.AsyncClient,
    problems: PageProblems,
):
    problems.expect("status of 422")
    workspace = (await me(api))["workspace"]
    await open_session(page, ui_server.admin)
    await page.goto(f"/admin/workspaces?q={workspace['id']}")
    await page.get_by_role("link", name=workspace["name"]).click()
    limits = page.get_by_role("table", name="Limits")
    runs = limits.get_by_role("textbox", name="Runs per day")

    await runs.fill("many")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text('Write 0 or more, or "unlimited".')).to_be_visible()
    await expect(runs).to_be_focused()
    await runs.fill("7")
    await page.get_by_role("combobox", name="Plan").click()
    await page.get_by_role("option", name="pro", exact=True).click()
    await page.get_by_role("button", name="Save").click()

    await expect(page.get_by_role("button", name="Save")).to_be_disabled()
    await expect(runs).to_have_value("7")
    await page.goto(f"/admin/workspaces?q={workspace['id']}")
    await expect(page.get_by_role("table", name="Workspaces")).to_contain_text("pro, changed")
    shown = (await admin_api.get(f"/api/admin/workspaces/{workspace['id']}")).json()
    assert (shown["plan"], shown["overrides"]) == ("pro", {"runs_per_day": 7})
