"""A person without a pointer: every step of the main journey with the keyboard alone."""

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from tests.ui.support import Person, expect_signed_in
from tests.ui.test_run import created, item, status

pytestmark = pytest.mark.one_store

CHECKED = """\
name: Checked sums
input:
  schema:
    amount: {type: string, required: true}
steps:
  - {id: first, type: transform, set: {given: input.amount}}
  - id: broken
    type: transform
    set: {sum: int(input.amount) + 1}
  - {id: check, type: human_review, message: "Is the sum right?", input: steps.broken.output}
"""
MAX_TABS = 40
_SEEN = """element => {
  // The input of a segmented control has no size: its label is what people see.
  const shown = element.type === 'radio' ? element.labels[0] : element;
  const {width, height, top, bottom} = shown.getBoundingClientRect();
  return {
    what: element.outerHTML.slice(0, 200),
    isVisible: width > 0 && height > 0 && top < innerHeight && bottom > 0,
    isMarked: element.matches(':focus-visible'),
  };
}"""


async def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until an element has the focus. Each element on the way must be on the screen, with a visible focus."""
    await expect(wanted).to_be_visible()
    focused = page.locator("*:focus")
    for _ in range(MAX_TABS):
        await page.keyboard.press(key)
        if await focused.count() == 0:
            continue  # The end of the document.
        seen = await focused.first.evaluate(_SEEN)
        assert seen["isVisible"], seen
        assert seen["isMarked"], seen
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{MAX_TABS} times {key} do not lead to {wanted}.")


async def choose(page: Page, text: str) -> None:
    """Open what the command palette finds for a text."""
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type(text)
    await expect(page.get_by_role("option", name=text).first).to_have_attribute(
        "aria-selected", "true"
    )
    await page.keyboard.press("Enter")
    # The keys of the page work when the dialog is closed.
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_from_the_sign_in_to_an_approved_review(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await created(api, CHECKED)

    await page.goto("/login")
    await tab_to(page, page.get_by_label("Email"))
    await page.keyboard.type(person.email)
    await tab_to(page, page.get_by_label("Password"))
    await page.keyboard.type(person.password)
    await page.keyboard.press("Enter")
    await expect_signed_in(page)

    await choose(page, "Checked sums")
    await tab_to(page, page.get_by_role("button", name="Run", exact=True))
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await tab_to(page, dialog.get_by_label("amount"))
    await page.keyboard.type("many")
    await tab_to(page, dialog.get_by_role("button", name="Start"))
    await page.keyboard.press("Enter")

    await expect(status(page)).to_have_text("Failed")
    await expect(item(page, "^failed broken")).to_be_visible()
    await page.keyboard.press("f")
    await expect(item(page, "^failed broken")).to_have_attribute("aria-selected", "true")
    await tab_to(page, page.get_by_role("button", name="Fork…"))
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Fork the run")
    await tab_to(page, dialog.get_by_label("amount"))
    await page.keyboard.press("Control+a")
    await page.keyboard.type("3")
    await tab_to(page, dialog.get_by_role("button", name="Fork", exact=True))
    await page.keyboard.press("Enter")

    await expect(status(page)).to_have_text("Waiting")
    run_id = page.url.partition("/runs/")[2][:36]
    await choose(page, "Reviews")
    await expect(page.get_by_role("region", name="Question")).to_have_text("Is the sum right?")
    await page.keyboard.press("a")
    await expect(page.get_by_text("Approved: Checked sums.")).to_be_visible()
    await api.get(f"/api/runs/{run_id}/stream")
    assert (await api.get(f"/api/runs/{run_id}")).json()["status"] == "completed"
