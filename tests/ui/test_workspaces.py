"""Several workspaces of a person in one browser: switch, lose, and delete one."""

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx2
from playwright.async_api import BrowserContext, Error, Page, expect

from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible,
    expect_signed_in,
    open_session,
    sign_in,
)
from tests.ui.team import invitation_link, run_of

NewContext = Callable[[], Awaitable[BrowserContext]]


class TestWorkspaces:
    async def test_tabs_show_different_workspaces(
        self,
        page: Page,
        context: BrowserContext,
        person: Person,
        api: httpx2.AsyncClient,
        problems: PageProblems,
    ):
        problems.expect("status of 404")
        problems.expect("does not exist")
        run = await run_of(api)
        await open_session(page, person)
        await page.goto(f"/runs/{run}")
        first = f"Workspace {person.email.partition('@')[0]}"
        other = await context.new_page()
        await other.goto("/runs")
        await other.get_by_role("button", name=re.compile("^Workspace ")).click()
        await other.get_by_role("button", name="Create workspace").click()
        await (
            other.get_by_role("dialog", name="Create workspace")
            .get_by_label("Name")
            .fill("Second team")
        )
        await (
            other.get_by_role("dialog", name="Create workspace")
            .get_by_role("button", name="Create workspace")
            .click()
        )
        await expect(other.get_by_role("button", name="Workspace Second team")).to_be_visible()
        await other.goto("/runs")
        await expect(other.get_by_role("heading", name="No runs yet")).to_be_visible()

        await page.reload()
        await expect(page.get_by_role("button", name=first)).to_be_visible()
        await other.goto(f"/runs/{run}")
        await other.get_by_role("button", name="Switch the workspace").click()
        await expect(other.get_by_role("status", name="Status of the run")).to_be_visible()

    async def test_files_are_those_of_the_workspace_of_the_tab(
        self, page: Page, person: Person, api: httpx2.AsyncClient
    ):
        made = await api.post("/api/workspaces", json={"name": "Second team"})
        headers = {"X-Workspace": made.raise_for_status().json()["id"]}
        run = await run_of(api, headers)
        await open_session(page, person)
        await page.goto("/runs")
        await page.get_by_role("button", name=re.compile("^Workspace ")).click()
        listed = page.get_by_role("list", name="Your workspaces")
        await listed.get_by_role("button", name="Second team").click()
        await expect(page.get_by_role("button", name="Workspace Second team")).to_be_visible()

        await page.goto(f"/runs/{run}")
        await page.get_by_role("button", name="More actions").click()
        async with page.expect_download() as download:
            await page.get_by_role("menuitem", name="Download JSON").click()
        saved = await (await download.value).path()
        assert json.loads(saved.read_text("utf-8"))["id"] == run

    async def test_a_removed_member_sees_another_workspace(
        self,
        page: Page,
        person: Person,
        api: httpx2.AsyncClient,
        new_person: Callable[[], Awaitable[Person]],
        problems: PageProblems,
    ):
        problems.expect("status of 401")
        problems.expect("status of 404")
        guest = await new_person()
        link = await invitation_link(api, guest.email, "editor")
        await open_session(page, guest)
        await page.goto("/runs")
        await expect_signed_in(page)
        await page.goto(link)
        await page.get_by_role("button", name="Join").click()
        await expect_signed_in(page)
        await page.goto("/runs")
        await expect(page.get_by_role("status", name="Connection")).to_contain_text("Live")
        members = (await api.get("/api/workspace/members")).json()["data"]
        (member,) = [each for each in members if each["email"] == guest.email]
        removed = await api.delete(f"/api/workspace/members/{member['id']}")
        assert removed.status_code == 200, removed.text
        await expect(page.get_by_text("Your session has ended.")).to_be_visible()

        await page.get_by_label("Email").fill(guest.email)
        await page.get_by_label("Password").fill(guest.password)
        await page.get_by_role("button", name="Sign in").click()
        name = person.email.partition("@")[0]
        await expect(page.get_by_text(f"You are no longer a member of “{name}”")).to_be_visible()
        await expect(
            page.get_by_role("button", name=f"Workspace {guest.email.partition('@')[0]}")
        ).to_be_visible()

    async def test_a_workspace_that_a_person_left_is_not_opened_again(
        self,
        page: Page,
        api: httpx2.AsyncClient,
        new_person: Callable[[], Awaitable[Person]],
        problems: PageProblems,
    ):
        problems.expect("status of 401")
        guest = await new_person()
        await open_session(page, guest)
        await page.goto("/runs")
        await expect_signed_in(page)
        await page.goto(await invitation_link(api, guest.email, "editor"))
        await page.get_by_role("button", name="Join").click()
        await expect_signed_in(page)
        await page.goto("/settings/workspace")
        await page.get_by_role("button", name="Leave workspace").click()
        await page.get_by_role("dialog").get_by_role("button", name="Leave workspace").click()
        await expect(page).to_have_url(re.compile("/login"))

        await page.get_by_label("Email").fill(guest.email)
        await page.get_by_label("Password").fill(guest.password)
        await page.get_by_role("button", name="Sign in").click()

        own = f"Workspace {guest.email.partition('@')[0]}"
        await expect(page.get_by_role("button", name=own)).to_be_visible()
        await expect(page.get_by_text("You are no longer a member")).to_have_count(0)

    async def test_a_tab_loads_anew_after_a_stranger_to_its_workspace_has_signed_in(
        self,
        page: Page,
        person: Person,
        new_person: Callable[[], Awaitable[Person]],
        problems: PageProblems,
    ):
        problems.expect("status of 404")
        problems.expect("You are not a member of workspace")
        other = await new_person()
        await open_session(page, person)
        await page.goto("/runs")
        await expect_signed_in(page)
        await open_session(page, other)

        await page.get_by_role("link", name="Pipelines").first.click()

        await expect(page.get_by_role("button", name=f"Account {other.email}")).to_be_visible()
        await expect(page.get_by_text("You are no longer a member")).to_have_count(0)

    async def test_a_tab_loads_anew_after_another_member_has_signed_in(
        self,
        new_context: Callable[[], Awaitable[BrowserContext]],
        person: Person,
        api: httpx2.AsyncClient,
        ui_server: UiServer,
        new_person: Callable[[], Awaitable[Person]],
    ):
        page, other = await (await new_context()).new_page(), await new_person()
        invitation = (await invitation_link(api, other.email, "viewer")).partition("invitation=")[2]
        headers = {"Authorization": f"Bearer {other.token}"}
        async with httpx2.AsyncClient(
            base_url=ui_server.url, headers=headers, timeout=30
        ) as client:
            joined = await client.post("/api/workspaces/join", json={"invitation": invitation})
        joined.raise_for_status()
        await page.clock.install()
        await open_session(page, person)
        await page.goto("/runs")
        await expect_signed_in(page)
        await page.evaluate("() => { window.isFirst = true; }")
        await open_session(page, other)

        # A page that gets the focus reads a session that it has not read for five minutes.
        await page.clock.fast_forward("06:00")
        # The page may load anew already, because another of its requests has noticed the change.
        with suppress(Error):
            await page.evaluate("() => window.dispatchEvent(new Event('visibilitychange'))")

        await expect(page.get_by_role("button", name=f"Account {other.email}")).to_be_visible()
        assert await page.evaluate("() => window.isFirst") is None


class TestDeleteWorkspace:
    async def test_the_owner_types_its_name_and_signs_in_to_another(
        self,
        page: Page,
        person: Person,
        new_person: Callable[[], Awaitable[Person]],
        api,
        ui_server,
    ):
        owner = await new_person()
        headers = {"Authorization": f"Bearer {owner.token}"}
        link = await invitation_link(api, owner.email, "viewer")
        async with httpx2.AsyncClient(
            base_url=ui_server.url, headers=headers, timeout=30
        ) as client:
            body = {"invitation": link.partition("invitation=")[2]}
            assert (await client.post("/api/workspaces/join", json=body)).is_success
        mine, other = owner.email.partition("@")[0], person.email.partition("@")[0]
        await open_session(page, owner)
        await page.goto("/settings/workspace")

        await page.get_by_role("button", name="Delete workspace").click()
        dialog = page.get_by_role("dialog", name=f"Delete the workspace “{mine}”?")
        confirm = dialog.get_by_role("button", name="Delete workspace")
        await expect(confirm).to_be_disabled()
        await dialog.get_by_label(f"Type {mine} to confirm").fill(mine)
        await assert_accessible(page)
        await confirm.click()

        await page.wait_for_url("**/login")
        await sign_in(page, owner)
        await expect(page.get_by_role("button", name=f"Workspace {other}")).to_be_visible()
