"""Sign-in with a real identity provider on another site, in a real browser."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.support.oidc_process import OidcProcess, running_oidc_provider
from tests.support.ports import free_port
from tests.support.process import proof_of_operator, running_server
from tests.ui.kept_context import KeptContext
from tests.ui.support import (
    OTHER_SITE,
    PASSWORD,
    PageProblems,
    assert_accessible_in_both_themes,
    expect_signed_in,
    open_context,
    open_session,
)

ADMIN = "admin@example.com"


@dataclass(frozen=True)
class Company:
    """A server, and the provider of its people."""

    url: str
    provider: OidcProcess


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def company(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    callback = f"{url}/api/auth/oidc/company/callback"
    async with running_oidc_provider(callback, host=OTHER_SITE) as provider:
        table = provider.settings(name="Example Inc.")
        environment = {"STEPIQ_OIDC_PROVIDERS": json.dumps({"company": table})}
        folder = tmp_path_factory.mktemp("single-sign-on")
        async with running_server(folder, port, environment) as process:
            body = {"email": ADMIN, "password": PASSWORD, **proof_of_operator(process.data)}
            async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
                (await client.post("/api/auth/register", json=body)).raise_for_status()
            await provider.show_page()
            yield Company(url, provider)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept_visitor(browser: Browser, company: Company) -> AsyncIterator[KeptContext]:
    kept = KeptContext(partial(open_context, browser, company.url), company.url)
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(kept_visitor: KeptContext, company: Company) -> AsyncIterator[Page]:
    """A page of a browser that is as new. Only the provider is another server that it may reach."""
    problems = PageProblems(company.url)
    problems.expect(company.provider.issuer)
    async with kept_visitor.lent(problems) as context:
        yield await context.new_page()


async def sign_in_as(company: Company, page: Page, subject: str) -> None:
    """Go to the provider with the button of the sign-in page, and sign in there."""
    claims = {"email": f"{subject}@example.com", "email_verified": True, "name": subject.title()}
    await company.provider.sign_in(subject, **claims, groups=[])
    await page.get_by_role("link", name="Continue with Example Inc.").click()
    await page.get_by_role("link", name=f"Sign in as {subject}@example.com").click()


async def session_cookie(context: BrowserContext, url: str) -> dict[str, object]:
    cookies = {each["name"]: each for each in await context.cookies(url)}  # pyright: ignore[reportTypedDictNotRequiredAccess]
    assert not any("sign_in" in name for name in cookies)
    return dict(next(each for name, each in cookies.items() if "stepiq_session" in name))


class TestSignIn:
    async def test_a_person_comes_back_signed_in_to_the_page_they_wanted(
        self, company: Company, visitor: Page
    ):
        await visitor.goto("/runs?status=failed")

        await sign_in_as(company, visitor, "ada")

        await expect_signed_in(visitor)
        await expect(visitor).to_have_url(re.compile(r"/runs\?status=failed"))
        cookie = await session_cookie(visitor.context, company.url)
        assert (cookie["sameSite"], cookie["httpOnly"]) == ("Strict", True)

    async def test_the_session_survives_a_reload_and_a_direct_visit(
        self, company: Company, visitor: Page
    ):
        await visitor.goto("/login")
        await sign_in_as(company, visitor, "grace")
        await expect_signed_in(visitor)

        await visitor.reload()
        await expect_signed_in(visitor)
        await visitor.goto("/docs")

        await expect_signed_in(visitor)

    async def test_a_person_returns_to_the_workspace_that_they_used_last(
        self, company: Company, visitor: Page
    ):
        await visitor.goto("/login")
        await sign_in_as(company, visitor, "ida")
        await visitor.get_by_role("button", name=re.compile("^Workspace ")).click()
        await visitor.get_by_role("button", name="Create workspace").click()
        dialog = visitor.get_by_role("dialog", name="Create workspace")
        await dialog.get_by_label("Name").fill("Second team")
        await dialog.get_by_role("button", name="Create workspace").click()
        await expect(visitor.get_by_role("button", name="Workspace Second team")).to_be_visible()
        await visitor.get_by_role("button", name=re.compile("^Account ")).click()
        await visitor.get_by_role("button", name="Sign out").click()

        # The provider still knows the person, so it shows no page.
        await visitor.get_by_role("link", name="Continue with Example Inc.").click()

        await expect(visitor.get_by_role("button", name="Workspace Second team")).to_be_visible()

    async def test_back_does_not_repeat_the_sign_in(self, company: Company, visitor: Page):
        await visitor.goto("/login")
        await sign_in_as(company, visitor, "edsger")
        await expect_signed_in(visitor)
        await visitor.get_by_role("link", name="Pipelines").first.click()
        await expect(visitor).to_have_url(re.compile("/pipelines"))

        await visitor.go_back()

        await expect_signed_in(visitor)
        assert "callback" not in visitor.url

    async def test_a_person_who_cancels_reads_why_and_can_try_again(
        self, company: Company, visitor: Page
    ):
        await company.provider.sign_in("alan", email="alan@example.com", email_verified=True)
        await visitor.goto("/login?next=/schedules")
        await visitor.get_by_role("link", name="Continue with Example Inc.").click()
        await visitor.get_by_role("link", name="Cancel").click()

        alert = visitor.get_by_role("alert")
        await expect(alert).to_have_text("Example Inc. declined the sign-in, or you cancelled it.")
        await assert_accessible_in_both_themes(visitor)

        await sign_in_as(company, visitor, "alan")

        await expect_signed_in(visitor)
        await expect(visitor).to_have_url(re.compile("/schedules"))


class TestConnect:
    async def test_an_existing_account_is_connected_in_the_profile(
        self, company: Company, visitor: Page
    ):
        await visitor.goto("/login")
        await sign_in_as(company, visitor, "admin")
        await expect(visitor.get_by_role("alert")).to_contain_text("already exists")
        await visitor.get_by_label("Email").fill(ADMIN)
        await visitor.get_by_label("Password").fill(PASSWORD)
        await visitor.get_by_role("button", name="Sign in").click()
        await expect_signed_in(visitor)
        await visitor.goto("/settings/profile")

        # The provider still knows the person, so it shows no page.
        await visitor.get_by_role("link", name="Connect Example Inc.").click()

        table = visitor.get_by_role("table", name="Single sign-on")
        await expect(table.get_by_text("Example Inc.")).to_be_visible()
        await expect(visitor).to_have_url(re.compile("/settings/profile$"))
        await assert_accessible_in_both_themes(visitor)

        await table.get_by_role("button", name="Disconnect Example Inc.").click()
        await visitor.get_by_role("dialog").get_by_role("button", name="Disconnect").click()

        await expect(visitor.get_by_role("link", name="Connect Example Inc.")).to_be_visible()

    async def test_an_account_without_a_password_cannot_lose_its_last_identity(
        self, company: Company, visitor: Page
    ):
        await visitor.goto("/login?next=/settings/profile")

        await sign_in_as(company, visitor, "barbara")

        await expect(visitor.get_by_role("table", name="Single sign-on")).to_be_visible()
        await expect(visitor.get_by_role("button", name=re.compile("^Disconnect"))).to_have_count(0)
        await expect(visitor.get_by_label("Current password")).to_have_count(0)


class TestFailure:
    async def test_providers_that_cannot_be_loaded_are_requested_again(
        self, page: Page, problems: PageProblems
    ):
        problems.expect("ERR_FAILED")
        pattern = "**/api/auth/providers"
        await page.route(pattern, lambda route: route.abort())
        await page.goto("/login")
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("Other ways to sign in could not be loaded")
        await assert_accessible_in_both_themes(page)

        await page.unroute(pattern)
        await alert.get_by_role("button", name="Try again").click()

        await expect(alert).to_have_count(0)


class TestWithoutProviders:
    async def test_the_pages_show_nothing_of_it(self, page: Page, person):
        await _open_with_providers(page, "/login?failure=denied&provider=Call%20us")
        await expect(page.get_by_role("alert")).to_have_text(
            "The identity provider declined the sign-in, or you cancelled it."
        )
        await expect(page.get_by_role("link", name=re.compile("^Continue with"))).to_have_count(0)

        await open_session(page, person)
        await _open_with_providers(page, "/settings/profile")
        await expect(page.get_by_role("heading", name="Change password")).to_be_visible()
        await expect(page.get_by_role("heading", name="Single sign-on")).to_have_count(0)


async def _open_with_providers(page: Page, path: str) -> None:
    """Go to a page, and wait until it has had the time to show the providers."""
    async with page.expect_response("**/api/auth/providers") as answered:
        await page.goto(path)
    await (await answered.value).finished()
    # An answer is shown by the second frame after it: the first may have begun before.
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
