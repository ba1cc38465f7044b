"""Registering, signing in and out, and what a browser keeps of it."""

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    assert_accessible,
    assert_accessible_in_both_themes,
    expect_signed_in,
    open_session,
    sign_in,
)
from tests.ui.team import address, joined


class TestWhatABrowserKeeps:
    @pytest_asyncio.fixture(loop_scope="session")
    async def context(self, new_context: Callable[[], Awaitable[BrowserContext]]) -> BrowserContext:
        """A new one, because these tests are about what a browser keeps."""
        return await new_context()

    async def test_a_person_registers_and_signs_out_and_in(self, page: Page):
        email = f"{uuid4().hex}@example.com"
        await page.goto("/")
        await expect(page).to_have_url(re.compile("/login"))
        await page.get_by_role("link", name="Create account").click()
        await expect(page.get_by_role("heading", name="Create account")).to_be_visible()
        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account").click()
        await expect_signed_in(page)

        await page.get_by_role("button", name=f"Account {email}").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(re.compile("/login"))
        await page.goto("/")
        await expect(page).to_have_url(re.compile("/login"))

        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect_signed_in(page)

    async def test_a_session_survives_a_reload_and_belongs_to_all_tabs(
        self, page: Page, context: BrowserContext, person: Person
    ):
        await sign_in(page, person)

        await page.reload()
        other = await context.new_page()
        await other.goto("/")

        await expect_signed_in(page)
        await expect_signed_in(other)

    async def test_no_script_can_read_the_credential(
        self, page: Page, context: BrowserContext, person: Person
    ):
        await sign_in(page, person)

        (cookie,) = await context.cookies()
        readable = await page.evaluate(
            "() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
        )
        signature = cookie.get("value", "").partition(".")[2]
        assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
        assert signature
        assert signature not in readable
        assert "eyJ" not in readable


async def set_secret(page: Page) -> None:
    """Set the secret `TOKEN`, on the page that lists them."""
    await page.get_by_role("button", name="Set secret").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("TOKEN")
    await form.get_by_label("Value", exact=True).fill("a very secret value")
    await form.get_by_role("button", name="Set secret").click()


class TestAnotherSignInOfTheBrowser:
    @pytest.fixture(autouse=True)
    def refused(self, problems: PageProblems) -> None:
        """The first request has the token of the earlier session, so the console shows its failure."""
        problems.expect("status of 403")

    async def test_a_tab_continues_for_the_same_person(self, page: Page, person: Person):
        await open_session(page, person)
        await page.goto("/settings/secrets")
        await expect(page.get_by_role("heading", name="No secrets")).to_be_visible()

        await open_session(page, person)
        await set_secret(page)

        rows = page.get_by_role("table", name="Secrets", exact=True).get_by_role("row")
        await expect(rows.filter(has_text="TOKEN")).to_be_visible()

    async def test_a_change_is_not_made_for_another_member_of_the_workspace(
        self, page: Page, person: Person, api: httpx2.AsyncClient
    ):
        other = await joined(api, address("colleague"), "editor")
        await open_session(page, person)
        await page.goto("/settings/secrets")
        await expect(page.get_by_role("heading", name="No secrets")).to_be_visible()

        await open_session(page, other)
        await set_secret(page)

        await expect(page.get_by_role("button", name=f"Account {other.email}")).to_be_visible()
        assert (await api.get("/api/user/secrets")).json()["data"] == []


async def test_a_wrong_password_is_explained(page: Page, person: Person, problems: PageProblems):
    problems.expect("status of 401")
    await page.goto("/login")
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill("wrong horse")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_text("The email address or the password is wrong.")).to_be_visible()


async def test_a_signed_out_person_returns_to_the_page_that_was_asked_for(
    page: Page, person: Person
):
    await page.goto("/runs?status=failed")
    await expect(page).to_have_url(re.compile("/login"))
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()

    await expect_signed_in(page)
    await expect(page).to_have_url(re.compile(r"/runs\?status=failed$"))


async def test_an_unknown_page_says_so(page: Page, person: Person, problems: PageProblems):
    problems.expect("status of 404")
    await open_session(page, person)

    response = await page.goto("/nowhere")

    assert response is not None
    assert response.status == 404
    await expect(
        page.get_by_role("heading", name=re.compile("not found|does not exist", re.IGNORECASE))
    ).to_be_visible()


async def test_an_unknown_run_cannot_be_tried_again(
    page: Page, person: Person, problems: PageProblems
):
    problems.expect("status of 404")
    problems.expect("does not exist")
    await open_session(page, person)

    await page.goto("/runs/0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e")

    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await expect(page.get_by_role("link", name="Open the first page")).to_be_visible()
    await expect(page.get_by_role("button", name="Try again")).to_have_count(0)


async def test_the_first_page_is_accessible(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()

    # `test_accessible.py` checks those before it.
    await assert_accessible_in_both_themes(page)


class TestChecks:
    """The checks that every test of a page makes find what they are for."""

    async def test_an_inline_script_violates_the_policy(self, page: Page, problems: PageProblems):
        problems.expect("Content Security Policy")
        await page.goto("/login")

        await page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.injected = true";
                document.head.append(script);
            }"""
        )

        assert await page.evaluate("() => window.injected") is None
        assert any("Content Security Policy" in each for each in problems.all)

    async def test_errors_and_requests_to_other_servers_are_found(
        self, page: Page, problems: PageProblems
    ):
        for text in ("printed", "thrown", "another server", "Content Security Policy", "Failed"):
            problems.expect(text)
        await page.goto("/login")

        await page.evaluate(
            """async () => {
                console.error("printed");
                setTimeout(() => { throw new Error("thrown"); });
                await fetch("http://example.com/").catch(() => {});
                await new Promise((resolve) => setTimeout(resolve));
            }"""
        )

        found = " ".join(problems.all)
        assert "error: printed" in found
        assert "uncaught: " in found
        assert "Content Security Policy" in found

    async def test_axe_reports_a_picture_without_a_text(self, page: Page):
        await page.goto("/login")
        await page.evaluate(
            "() => document.querySelector('main, body').append(Object.assign(new Image(), {src: 'data:image/gif;base64,R0lGODlhAQABAAAAACw='}))"
        )

        with pytest.raises(AssertionError, match="image-alt"):
            await assert_accessible(page)
