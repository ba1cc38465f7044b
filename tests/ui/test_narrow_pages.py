"""Pages on a tablet: nothing is wider than the screen, and nothing is too narrow to read."""

import pytest
from playwright.async_api import Page, expect

from tests.ui.support import Person, open_session

pytestmark = pytest.mark.one_store


async def open_on_tablet(page: Page, person: Person, path: str) -> None:
    await page.set_viewport_size({"width": 768, "height": 900})
    await open_session(page, person)
    await page.goto(path)


async def test_the_welcome_page_is_not_wider_than_the_screen(page: Page, person: Person):
    await open_on_tablet(page, person, "/welcome")
    await expect(page.get_by_role("heading", name="Call it from your code")).to_be_visible()

    assert await page.evaluate("document.documentElement.scrollWidth") == 768


async def test_the_role_of_a_member_can_be_read(page: Page, person: Person):
    await open_on_tablet(page, person, "/settings/members")
    role = page.get_by_label(f"Role of {person.email}")
    await expect(role).to_be_visible()

    box = await role.bounding_box()
    assert box is not None
    assert box["width"] >= 90
