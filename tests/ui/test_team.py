"""A team in one workspace: invitations, roles, reviews by assignment, and the removal of a member."""

import re
from collections.abc import Awaitable, Callable

import httpx2
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    assert_accessible,
    expect_signed_in,
    open_session,
)
from tests.ui.team import address, invitation_link, joined, short_pipeline

NewContext = Callable[[], Awaitable[BrowserContext]]

REVIEW = """
name: Ask Rosa
steps:
  - {id: ask, type: human_review, message: "Is this right?", assignees: [ADDRESS]}
  - {id: last, type: transform, template: Done}
"""


async def _invite(page: Page, email: str, role: str) -> str:
    """Invite a person on the page of members; returns the link without the server's address."""
    await page.get_by_role("button", name="Invite", exact=True).click()
    dialog = page.get_by_role("dialog", name="Invite a person")
    await dialog.get_by_label("Email").fill(email)
    await dialog.get_by_label("Role").select_option(role)
    await dialog.get_by_role("button", name="Create invitation").click()
    shown = page.get_by_role("dialog", name=f"Invitation of {email}")
    link = await shown.get_by_label("Link").locator("pre").inner_text()
    await assert_accessible(page)
    await shown.get_by_role("button", name="Done").click()
    await expect(shown).to_have_count(0)
    return "/join#" + link.partition("/join#")[2]


async def _join_as_new_person(page: Page, link: str, name: str) -> None:
    await page.goto(link)
    await expect(page.get_by_role("heading", name=re.compile("^Join"))).to_be_visible()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create account").click()
    await expect_signed_in(page)


def _member(page: Page, name: str) -> Locator:
    row = re.compile(f"^{name} ")
    return page.get_by_role("table", name="Members").get_by_role("row", name=row)


async def test_a_new_team_of_three(
    page: Page, person: Person, new_context: NewContext, problems: PageProblems
):
    problems.expect("status of 401")
    editor, reviewer = address("eda"), address("rosa")
    await open_session(page, person)
    await page.goto("/settings/members")
    for_editor = await _invite(page, editor, "editor")
    for_reviewer = await _invite(page, reviewer, "viewer")
    await expect(page.get_by_role("table", name="Open invitations")).to_contain_text(reviewer)

    eda = await (await new_context()).new_page()
    await _join_as_new_person(eda, for_editor, "Eda")
    rosa = await (await new_context()).new_page()
    await _join_as_new_person(rosa, for_reviewer, "Rosa")

    await eda.goto("/pipelines?create=paste")
    await eda.get_by_role("dialog").get_by_role("textbox").fill(REVIEW.replace("ADDRESS", reviewer))
    await eda.get_by_role("dialog").get_by_role("button", name="Open in the editor").click()
    await eda.get_by_role("button", name="Save", exact=True).click()
    await expect(eda.get_by_role("status", name="Draft")).to_contain_text("Saved")
    await eda.get_by_role("button", name="Run", exact=True).click()
    await eda.get_by_role("dialog").get_by_role("button", name="Start").click()
    await expect(eda.get_by_role("status", name="Status of the run")).to_contain_text("Waiting")

    await rosa.goto("/pipelines")
    await expect(rosa.get_by_role("link", name="Ask Rosa")).to_be_visible()
    await expect(rosa.get_by_role("button", name="Create")).to_have_count(0)
    await rosa.get_by_role("link", name="Reviews").click()
    await rosa.get_by_role("button", name="Approve").click()
    await expect(eda.get_by_role("status", name="Status of the run")).to_contain_text("Completed")

    await eda.goto("/runs")
    await expect(eda.get_by_role("status", name="Connection")).to_contain_text("Live")
    await page.reload()
    await _member(page, "Eda").get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove Eda from the workspace?")
    await expect(dialog.get_by_text("Ask Rosa")).to_be_visible()
    await dialog.get_by_role("button", name="Remove").click()
    await expect(eda.get_by_text("Your session has ended.")).to_be_visible()
    await expect(_member(page, "Eda")).to_have_count(0)

    problems.expect("status of 403")
    await eda.get_by_label("Email").fill(editor)
    await eda.get_by_label("Password").fill(PASSWORD)
    await eda.get_by_role("button", name="Sign in").click()
    await expect(
        eda.get_by_role("heading", name="You are not a member of any workspace")
    ).to_be_visible()
    await assert_accessible(eda)
    await page.goto("/pipelines")
    await expect(page.get_by_role("link", name="Ask Rosa")).to_be_visible()


class TestRoles:
    async def test_a_role_is_changed_in_the_table(
        self, page: Page, person: Person, api: httpx2.AsyncClient, new_context: NewContext
    ):
        viewer = await joined(api, address("vera"), "viewer")
        other = await (await new_context()).new_page()
        await open_session(other, viewer)
        await other.goto("/settings/members")
        await expect(_member(other, person.email.partition("@")[0])).to_be_visible()
        await expect(other.get_by_role("button", name="Invite", exact=True)).to_have_count(0)
        await open_session(page, person)
        await page.goto("/settings/members")
        await page.get_by_label(f"Role of {viewer.email}").select_option("admin")
        await expect(page.get_by_text("now has the role admin")).to_be_visible()

        await other.reload()
        await expect(other.get_by_role("button", name="Invite", exact=True)).to_be_visible()

    async def test_the_last_owner_stays(self, page: Page, person: Person, problems: PageProblems):
        problems.expect("status of 409")
        await open_session(page, person)
        await page.goto("/settings/members")
        await page.get_by_label(f"Role of {person.email}").select_option("viewer")
        dialog = page.get_by_role("dialog", name="Change your own role to viewer?")
        await dialog.get_by_role("button", name="Change my role").click()

        await expect(page.get_by_role("alert")).to_contain_text("This is the only owner")
        await expect(page.get_by_label(f"Role of {person.email}")).to_have_value("owner")

    async def test_a_viewer_reads_the_editor(self, page: Page, api: httpx2.AsyncClient):
        pipeline = await short_pipeline(api)
        await open_session(page, await joined(api, address("vera"), "viewer"))

        await page.goto(f"/pipelines/{pipeline}/edit")

        await expect(
            page.get_by_text("To change the definition, you need the role editor.")
        ).to_be_visible()
        await expect(page.get_by_role("textbox", name="Pipeline YAML")).to_have_attribute(
            "aria-readonly", "true"
        )
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        await assert_accessible(page)

    async def test_a_page_that_the_role_may_not_open_names_the_role_that_is_needed(
        self, page: Page, api: httpx2.AsyncClient, problems: PageProblems
    ):
        problems.expect("status of 403")
        problems.expect("requires the role")
        await open_session(page, await joined(api, address("eda"), "editor"))

        await page.goto("/settings/audit")

        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("requires the role admin")
        await expect(alert).to_contain_text("Your role is editor")


class TestInvitation:
    async def test_a_signed_in_person_joins_and_switches(
        self,
        page: Page,
        person: Person,
        api: httpx2.AsyncClient,
        new_person: Callable[[], Awaitable[Person]],
    ):
        guest = await new_person()
        link = await invitation_link(api, guest.email, "editor")
        await open_session(page, guest)
        await page.goto("/runs")
        own = f"Workspace {guest.email.partition('@')[0]}"
        await expect(page.get_by_role("button", name=own)).to_be_visible()

        await page.goto(link)
        await page.get_by_role("button", name="Join").click()
        await expect(
            page.get_by_role("button", name=f"Workspace {person.email.partition('@')[0]}")
        ).to_be_visible()
        await page.get_by_role("button", name=re.compile("^Workspace ")).click()
        own_workspaces = page.get_by_role("list", name="Your workspaces")
        await expect(own_workspaces).to_be_visible()
        await assert_accessible(page)
        await own_workspaces.get_by_role("button").first.click()
        await expect(page.get_by_role("button", name=own)).to_be_visible()

    async def test_a_known_person_signs_in_to_join(
        self,
        page: Page,
        person: Person,
        api: httpx2.AsyncClient,
        new_person: Callable[[], Awaitable[Person]],
    ):
        guest = await new_person()
        await page.goto(await invitation_link(api, guest.email, "viewer"))
        await expect(page.get_by_label("Email")).to_have_value(guest.email)
        await page.get_by_label("Password").fill(guest.password)
        await page.get_by_role("button", name="Sign in and join").click()

        await expect(
            page.get_by_role("button", name=f"Workspace {person.email.partition('@')[0]}")
        ).to_be_visible()

    async def test_it_is_for_one_address_and_one_time(
        self, page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
    ):
        invited = address("nina")
        link = await invitation_link(api, invited, "viewer")
        await open_session(page, person)
        await page.goto("/runs")
        await expect_signed_in(page)
        await page.goto(link)
        await expect(
            page.get_by_role("heading", name="This invitation is for another address")
        ).to_be_visible()
        await assert_accessible(page)
        await page.get_by_role("button", name="Sign out and continue").click()
        await expect(page.get_by_label("Email")).to_have_value(invited)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account").click()
        await expect_signed_in(page)

        problems.expect("status of 422")
        await page.goto("about:blank")
        await page.goto(link)
        await expect(
            page.get_by_role("heading", name="This invitation is not valid")
        ).to_be_visible()
        await assert_accessible(page)


class TestServiceKeys:
    async def test_a_service_key_is_shown_once_and_revoked(
        self, page: Page, person: Person, ui_server
    ):
        await open_session(page, person)
        await page.goto("/settings/keys")
        await page.get_by_role("button", name="Create service key").click()
        dialog = page.get_by_role("dialog", name="Create service key")
        await dialog.get_by_label("Name").fill("deploy")
        await dialog.get_by_role("button", name="Create service key").click()
        shown = page.get_by_role("dialog", name="Key “deploy”")
        key = await shown.get_by_label("Key", exact=True).locator("pre").inner_text()
        await shown.get_by_role("button", name="Done").click()
        async with httpx2.AsyncClient(base_url=ui_server.url, timeout=30) as client:
            answer = await client.get("/api/pipelines", headers={"X-API-Key": key})
        assert answer.status_code == 200

        await page.get_by_role("button", name="Revoke deploy").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("The service key “deploy” is revoked.")).to_be_visible()
        async with httpx2.AsyncClient(base_url=ui_server.url, timeout=30) as client:
            answer = await client.get("/api/pipelines", headers={"X-API-Key": key})
        assert answer.status_code == 401

    async def test_nobody_is_called_a_former_member_if_the_members_cannot_be_read(
        self, page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
    ):
        problems.expect("ERR_FAILED")
        made = await api.post("/api/workspace/service-keys", json={"name": "deploy"})
        made.raise_for_status()
        await open_session(page, person)
        pattern = "**/api/workspace/members*"
        await page.route(pattern, lambda route: route.abort())
        await page.goto("/settings/keys")
        row = page.get_by_role("table", name="Service keys").get_by_role("row", name="deploy")
        await expect(row).to_be_visible()
        await expect(row).not_to_contain_text("former member")

        await page.unroute(pattern)
        await page.reload()

        await expect(row).to_contain_text(person.email.partition("@")[0])
