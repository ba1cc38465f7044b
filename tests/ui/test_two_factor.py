"""Two-factor sign-in: turning it on, signing in with a code or a recovery code, turning it off."""

import asyncio
import re
import time

from playwright.async_api import Page, expect

from stepiq.accounts.two_factor import codes as totp
from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    assert_accessible,
    assert_accessible_in_both_themes,
    expect_signed_in,
    open_session,
)

TURN_ON = "Turn on two-factor sign-in"


class Phone:
    """An authenticator app that shows each code once."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._last = 0

    async def code(self) -> str:
        """A code that was not used. The server accepts one of the next period."""
        step = int(time.time()) // totp.PERIOD_SECONDS
        while self._last > step:
            # The server is a separate process with its own clock.
            await asyncio.sleep(0.2)
            step = int(time.time()) // totp.PERIOD_SECONDS
        self._last = max(step, self._last + 1)
        return totp.code_of(self._secret, self._last)


async def turn_on(page: Page) -> tuple[Phone, list[str]]:
    """Turn two-factor sign-in on in the settings; returns the app and the recovery codes."""
    await page.goto("/settings/profile")
    await page.get_by_role("button", name=TURN_ON).click()
    dialog = page.get_by_role("dialog", name="Two-factor sign-in")
    await expect(dialog.get_by_role("img", name="QR code for authenticator apps")).to_be_visible()
    phone = Phone((await dialog.locator("code").inner_text()).replace(" ", ""))
    await dialog.get_by_label("Code", exact=True).fill(await phone.code())
    await dialog.get_by_role("button", name="Turn on").click()
    shown = page.get_by_role("dialog", name="Recovery codes")
    await expect(shown.get_by_role("listitem")).to_have_count(10)
    codes = await shown.get_by_role("listitem").all_inner_texts()
    await shown.get_by_role("button", name="I have stored the codes").click()
    await expect(page.get_by_text("10 recovery codes are left.")).to_be_visible()
    return phone, codes


async def sign_out(page: Page, person: Person) -> None:
    await page.get_by_role("button", name=f"Account {person.email}").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(re.compile("/login"))


async def enter_password(page: Page, person: Person) -> None:
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()


async def test_a_person_turns_it_on_signs_in_and_turns_it_off(
    page: Page, person: Person, problems: PageProblems
):
    problems.expect("status of 401")
    problems.expect("status of 422")
    await open_session(page, person)
    phone, recovery_codes = await turn_on(page)
    await sign_out(page, person)

    await enter_password(page, person)
    code = page.get_by_label("Code", exact=True)
    await expect(code).to_be_focused()
    await expect(code).to_have_attribute("autocomplete", "one-time-code")
    await code.fill("000000")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
    await code.fill(await phone.code())
    await page.get_by_role("button", name="Sign in").click()
    await expect_signed_in(page)
    await sign_out(page, person)

    await enter_password(page, person)
    await page.get_by_role("button", name="Use a recovery code").click()
    await page.get_by_role("textbox", name="Recovery code").fill(recovery_codes[0].upper())
    await page.get_by_role("button", name="Sign in").click()
    await expect_signed_in(page)

    await page.goto("/settings/profile")
    await expect(page.get_by_text("9 recovery codes are left.")).to_be_visible()
    await page.get_by_role("button", name="Turn off two-factor sign-in").click()
    dialog = page.get_by_role("dialog", name="Turn off two-factor sign-in?")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await dialog.get_by_label("Code").fill(recovery_codes[0])
    await dialog.get_by_role("button", name="Turn off").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("was used before")
    await dialog.get_by_label("Code").fill(recovery_codes[1])
    await dialog.get_by_role("button", name="Turn off").click()
    await expect(page.get_by_text("Two-factor sign-in is off.")).to_be_visible()
    await expect(page.get_by_role("button", name=TURN_ON)).to_be_visible()
    await sign_out(page, person)

    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect_signed_in(page)


async def test_recovery_codes_are_downloaded_and_replaced(page: Page, person: Person):
    await open_session(page, person)
    _, codes = await turn_on(page)

    await page.get_by_role("button", name="New recovery codes").click()
    dialog = page.get_by_role("dialog", name="Create new recovery codes?")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await dialog.get_by_label("Code").fill(codes[0])
    await dialog.get_by_role("button", name="New recovery codes").click()
    shown = page.get_by_role("dialog", name="Recovery codes")
    await expect(shown.get_by_role("listitem")).to_have_count(10)
    new = await shown.get_by_role("listitem").all_inner_texts()
    async with page.expect_download() as download:
        await shown.get_by_role("button", name="Download").click()
    text = (await (await download.value).path()).read_text()

    assert not set(new) & set(codes)
    assert (await download.value).suggested_filename == "stepiq-recovery-codes.txt"
    assert all(code in text for code in new)
    assert person.email in text
    await shown.get_by_role("button", name="I have stored the codes").click()
    content = await page.content()
    assert not any(code in content for code in new)


async def test_a_person_can_go_back_to_the_password(
    page: Page, person: Person, problems: PageProblems
):
    problems.expect("status of 401")
    await open_session(page, person)
    await turn_on(page)
    await sign_out(page, person)
    await enter_password(page, person)

    await page.get_by_role("button", name="Back").click()

    await expect(page.get_by_label("Email")).to_have_value(person.email)
    await expect(page.get_by_label("Password")).to_have_value("")


async def test_each_step_is_accessible(page: Page, person: Person, problems: PageProblems):
    problems.expect("status of 401")
    await open_session(page, person)
    await page.goto("/settings/profile")
    await page.get_by_role("button", name=TURN_ON).click()
    await expect(page.get_by_role("dialog", name="Two-factor sign-in")).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.get_by_role("button", name="Cancel").click()
    await turn_on(page)
    await assert_accessible(page)
    await page.get_by_role("button", name="Turn off two-factor sign-in").click()
    await expect(page.get_by_role("dialog", name=re.compile("Turn off"))).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("button", name="Cancel").click()
    await sign_out(page, person)
    await enter_password(page, person)
    await assert_accessible_in_both_themes(page)
