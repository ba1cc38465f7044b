"""API keys, secrets, sessions and the password in the settings."""

import re

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import PASSWORD, Person, UiServer, assert_accessible, open_session

HOSTS = ["api.example.com"]


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    page: Page, person: Person, ui_server: UiServer
):
    await open_session(page, person)
    await page.goto("/settings/keys")
    await page.get_by_role("button", name="Create key").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("deploy")
    await form.get_by_role("button", name="Create key").click()

    shown = page.get_by_role("dialog", name="Key “deploy”")
    key = (await shown.get_by_label("Key", exact=True).locator("pre").inner_text()).strip()
    await shown.get_by_role("button", name="Done").click()
    async with httpx2.AsyncClient(
        base_url=ui_server.url, headers={"X-API-Key": key}, timeout=30
    ) as client:
        assert (await client.get("/api/pipelines")).status_code == 200

        await page.get_by_role("button", name="Revoke deploy").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("No personal keys")).to_be_visible()

        assert (await client.get("/api/pipelines")).status_code == 401
    assert key not in await page.content()


async def test_a_missing_secret_is_set(page: Page, person: Person, api: httpx2.AsyncClient):
    source = 'name: CRM\nsteps: [{id: a, type: transform, template: "{{env.CRM_TOKEN}}"}]'
    saved = await api.post(
        "/api/pipelines", content=source, headers={"Content-Type": "application/yaml"}
    )
    assert saved.status_code == 201
    await open_session(page, person)
    await page.goto("/settings/secrets")
    missing = page.get_by_role("table", name="Missing secrets")
    await expect(missing.get_by_text("CRM_TOKEN")).to_be_visible()
    await assert_accessible(page)

    await missing.get_by_role("button", name="Set CRM_TOKEN").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Value", exact=True).fill("a very secret value")
    await form.get_by_label("Hosts").fill("api.example.com")
    await form.get_by_role("button", name="Set secret").click()

    stored = page.get_by_role("table", name="Secrets", exact=True)
    row = stored.get_by_role("row", name=re.compile("CRM_TOKEN"))
    await expect(row).to_contain_text("CRM")
    await expect(row).to_contain_text("api.example.com")
    await expect(missing).to_have_count(0)
    assert "a very secret value" not in await page.content()


async def store_limited_secret(api: httpx2.AsyncClient) -> None:
    """Store the secret `CRM_TOKEN` for `HOSTS`."""
    secret = {"name": "CRM_TOKEN", "value": "a very secret value", "hosts": HOSTS}
    assert (await api.post("/api/user/secrets", json=secret)).status_code == 201


async def test_a_secret_that_is_set_again_keeps_its_hosts(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await store_limited_secret(api)
    await open_session(page, person)
    await page.goto("/settings/secrets")

    await page.get_by_role("button", name="Set secret").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("CRM_TOKEN")
    await form.get_by_label("Value", exact=True).fill("another secret value")
    await form.get_by_label("Hosts").fill("a")
    await form.get_by_label("Hosts").clear()
    await form.get_by_role("button", name="Set secret").click()

    await expect(page.get_by_text("The secret “CRM_TOKEN” is set.")).to_be_visible()
    (stored,) = (await api.get("/api/user/secrets")).json()["data"]
    assert stored["hosts"] == HOSTS


async def test_an_emptied_list_of_hosts_removes_the_limit_of_the_secret_that_is_replaced(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await store_limited_secret(api)
    await open_session(page, person)
    await page.goto("/settings/secrets")

    await page.get_by_role("button", name="Replace CRM_TOKEN").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Value", exact=True).fill("another secret value")
    await form.get_by_label("Hosts").clear()
    await form.get_by_role("button", name="Set secret").click()

    await expect(page.get_by_text("The secret “CRM_TOKEN” is set.")).to_be_visible()
    (stored,) = (await api.get("/api/user/secrets")).json()["data"]
    assert stored["hosts"] is None


async def test_a_new_password_ends_the_other_sessions(
    page: Page, person: Person, ui_server: UiServer
):
    await open_session(page, person)
    await page.goto("/settings/profile")
    sessions = page.get_by_role("table", name="Sessions")
    # The registration of the account has a session, too.
    await expect(sessions.get_by_role("row")).to_have_count(3)
    await expect(sessions.get_by_role("row", name="This browser")).to_contain_text("Chrome on")
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_label("New password").fill("another correct horse")
    await page.get_by_role("button", name="Change password").click()

    await expect(page.get_by_text("The password is changed.")).to_be_visible()
    await expect(sessions.get_by_role("row")).to_have_count(2)
    await expect(sessions.get_by_text("This browser")).to_be_visible()
    await assert_accessible(page)


async def test_all_other_sessions_are_ended(page: Page, person: Person, ui_server: UiServer):
    other = {"email": person.email, "password": PASSWORD}
    async with httpx2.AsyncClient(
        base_url=ui_server.url, headers={"User-Agent": "curl/8"}, timeout=30
    ) as api:
        response = await api.post("/api/auth/login", json=other)
    token = {"Authorization": f"Bearer {response.json()['token']}"}
    await open_session(page, person)
    await page.goto("/settings/profile")
    sessions = page.get_by_role("table", name="Sessions")
    await expect(sessions.get_by_role("row", name="curl")).to_contain_text("127.0.0.1")
    await page.get_by_role("button", name="End all other sessions").click()
    await page.get_by_role("dialog").get_by_role("button", name="End sessions").click()

    await expect(page.get_by_text("2 sessions are ended.")).to_be_visible()
    await expect(sessions.get_by_role("row")).to_have_count(2)
    await expect(page.get_by_role("button", name="End all other sessions")).to_have_count(0)
    async with httpx2.AsyncClient(base_url=ui_server.url, headers=token, timeout=30) as api:
        assert (await api.get("/api/user/me")).status_code == 401


async def test_a_prompt_is_tried_as_a_run(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/settings/models?q=gpt-4o-mini")
    await page.get_by_role(
        "button", name="Try a prompt with openai/gpt-4o-mini", exact=True
    ).click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Prompt").fill("Say hello")
    await form.get_by_role("button", name="Run").click()

    await expect(page).to_have_url(re.compile("/runs/[0-9a-f-]+"))
    await expect(page.get_by_role("status").filter(has_text="Completed").first).to_be_visible()


async def test_notifications_show_how_to_get_an_email(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/settings/profile")

    await page.get_by_role("link", name="Notifications").click()

    await expect(page.get_by_text("No recipients outside this workspace")).to_be_visible()
    await expect(page.get_by_label("Email for failed runs")).to_contain_text("on_failure:")
