"""Logins of `stepiq` with a code: a person enters or compares the code, and decides."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.support.forked_command import ForkedCommand
from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible_in_both_themes,
    open_session,
)

ALLOWED = "You are logged in"


@pytest_asyncio.fixture(loop_scope="session")
async def program(ui_server: UiServer) -> AsyncIterator[httpx2.AsyncClient]:
    """A program without a credential."""
    async with httpx2.AsyncClient(base_url=ui_server.url, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def login(program: httpx2.AsyncClient) -> dict[str, Any]:
    """A login that waits."""
    response = await program.post("/api/auth/device", json={"host_name": "laptop"})
    return response.raise_for_status().json()


async def redeem(program: httpx2.AsyncClient, login: dict[str, Any]) -> dict[str, Any]:
    """The answer to a program that asks for its key."""
    body = {"device_code": login["device_code"]}
    return (await program.post("/api/auth/device/token", json=body)).json()


def page_of(login: dict[str, Any]) -> str:
    return "/device" + login["verification_uri_complete"].partition("/device")[2]


async def test_a_person_signs_in_compares_the_code_and_allows_it(
    page: Page, person: Person, program: httpx2.AsyncClient, login: dict[str, Any]
):
    await page.goto(page_of(login))
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("heading", name="Allow this login?")).to_be_visible()
    await expect(page.get_by_label("Code")).to_have_text(login["user_code"])
    for text in ("Only continue if you started", "laptop", "127.0.0.1", person.email):
        await expect(page.get_by_text(text).first).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.get_by_role("button", name="Allow").click()

    await expect(page.get_by_role("heading", name=ALLOWED)).to_be_visible()
    await assert_accessible_in_both_themes(page)
    made = await redeem(program, login)
    assert (made["email"], made["name"]) == (person.email, "stepiq login on laptop")


async def test_a_person_types_the_code_with_the_keyboard_and_refuses(
    page: Page,
    person: Person,
    program: httpx2.AsyncClient,
    login: dict[str, Any],
    problems: PageProblems,
):
    problems.expect("status of 404")
    await open_session(page, person)
    await page.goto("/device")
    await expect(page.get_by_label("Code")).to_be_focused()

    await page.keyboard.type("bcdfghjk")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No login has this code.")).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.get_by_label("Code").fill(login["user_code"].replace("-", " ").lower())
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Code")).to_have_text(login["user_code"])
    refuse = page.get_by_role("button", name="Refuse")
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await refuse.evaluate("each => each === document.activeElement"):
            break
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="The login is refused")).to_be_visible()
    assert (await redeem(program, login))["code"] == "access_denied"


async def test_a_person_chooses_the_workspace(
    page: Page,
    person: Person,
    api: httpx2.AsyncClient,
    program: httpx2.AsyncClient,
    login: dict[str, Any],
):
    made = (await api.post("/api/workspaces", json={"name": "Second"})).raise_for_status().json()
    await open_session(page, person)
    await page.goto(page_of(login))
    allow = page.get_by_role("button", name="Allow")
    await expect(allow).to_be_enabled()
    answered = asyncio.Event()

    async def late(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.route("**/api/user/device-login/open", late)

    await page.get_by_label("Workspace").select_option("Second")
    # The page does not know yet what the key can do in this workspace.
    await expect(allow).to_be_disabled()
    answered.set()
    await allow.click()

    await expect(page.get_by_text("It uses the workspace “Second”.")).to_be_visible()
    assert (await redeem(program, login))["workspace"]["id"] == made["id"]


async def test_a_decided_login_is_over(
    page: Page,
    person: Person,
    api: httpx2.AsyncClient,
    login: dict[str, Any],
    problems: PageProblems,
):
    problems.expect("status of 409")
    body = {"user_code": login["user_code"], "approve": True}
    (await api.post("/api/user/device-login/decide", json=body)).raise_for_status()
    await open_session(page, person)
    await page.goto(page_of(login))

    await expect(page.get_by_role("heading", name="This login is over")).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.get_by_role("button", name="Enter another code").click()
    await expect(page).to_have_url(re.compile("/device$"))


async def test_after_the_session_has_ended_the_code_is_kept(
    page: Page,
    person: Person,
    api: httpx2.AsyncClient,
    login: dict[str, Any],
    problems: PageProblems,
):
    problems.expect("status of 401")
    await open_session(page, person)
    await page.goto(page_of(login))
    await expect(page.get_by_role("button", name="Allow")).to_be_visible()
    (await api.post("/api/auth/logout", json={"all": True})).raise_for_status()

    await page.get_by_role("button", name="Allow").click()
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_label("Code")).to_have_text(login["user_code"])
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_role("heading", name=ALLOWED)).to_be_visible()


async def test_the_command_stores_the_key_that_a_person_allows(
    page: Page, person: Person, ui_server: UiServer, tmp_path: Path
):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STEPIQ_")},
        "STEPIQ_SERVER": ui_server.url,
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    login = await ForkedCommand.start(["login"], tmp_path, environment)
    assert login.stderr is not None
    async with asyncio.timeout(60):
        printed = await login.stderr.readuntil(b"Code: ") + await login.stderr.readline()
    url, code = re.search(r"(http\S+)", printed.decode()), printed.decode().split()[-1]
    assert url is not None
    await open_session(page, person)
    await page.goto(url[1])
    await expect(page.get_by_label("Code")).to_have_text(code)

    await page.get_by_role("button", name="Allow").click()
    async with asyncio.timeout(60):
        _, printed = await login.communicate()
    me = await ForkedCommand.start(["whoami"], tmp_path, environment)
    shown, _ = await me.communicate()
    out = await ForkedCommand.start(["logout"], tmp_path, environment)
    await out.communicate()
    after = await ForkedCommand.start(["whoami"], tmp_path, environment)
    await after.communicate()

    assert login.returncode == 0, printed
    assert f"Logged in to {ui_server.url} as {person.email}" in printed.decode()
    assert "stepiq login on" in shown.decode()
    assert (me.returncode, out.returncode, after.returncode) == (0, 0, 4)
