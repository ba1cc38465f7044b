"""Accessibility of every page in both themes, with data in it."""

from collections.abc import Sequence

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.support.containers import ROOT
from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible_in_both_themes,
    open_session,
)

pytestmark = pytest.mark.timeout(600)

SOURCE = """
name: Every page
steps:
  - {id: first, type: transform, template: "{{env.EVERY_PAGE_TOKEN}}", on_error: continue}
  - {id: ask, type: human_review, message: "Is **this** right?", editable: true}
output:
  deliver:
    - {type: webhook, url: "http://192.0.2.1/hook", signing_secret_name: EVERY_PAGE_HOOK}
"""
PIPELINE = (
    "/pipelines/{pipeline}/edit?panel=graph",
    "/pipelines/{pipeline}/edit?panel=docs",
    "/pipelines/{pipeline}/edit?panel=test",
    "/pipelines/{pipeline}/versions",
    "/pipelines/{pipeline}/triggers",
    "/pipelines/{pipeline}/deliveries",
    "/pipelines/{pipeline}/settings",
)
RUN = (
    "/runs",
    "/runs/{run}",
    "/runs/{run}?panel=input",
    "/runs/{run}?panel=events",
    "/runs/{run}?panel=graph",
    "/deliveries/{delivery}",
    "/reviews",
    "/jobs",
    "/jobs/{job}",
)
REST = (
    "/pipelines",
    "/schedules",
    "/schedules?view=week",
    "/usage",
    "/welcome",
    "/device",
    "/settings/profile",
    "/settings/workspace",
    "/settings/members",
    "/settings/keys",
    "/settings/secrets",
    "/settings/models",
    "/settings/notifications",
    "/settings/audit",
    "/docs",
    "/docs/errors",
    "/docs/steps",
    "/no-such-page",
)
ADMIN = (
    "/admin",
    "/admin/users",
    "/admin/users/{user}",
    "/admin/workspaces",
    "/admin/workspaces/{workspace}",
    "/admin/problems",
    "/admin/audit",
    "/admin/settings",
)
SIGNED_OUT = (
    "/login",
    "/register",
    "/join",
    "/forgot-password",
    "/reset-password",
    "/verify-email",
    "/review",
    "/run-status",
    "/confirm-recipient",
)
_WITH_A_TABLE = {"/jobs", "/admin", "/admin/users", "/admin/workspaces", "/admin/settings"}
_WITHOUT_A_PAGE = {"/", "/pipelines/$id", "/pipelines/$id/runs", "/settings"}
"""URLs that lead to others."""


def test_every_page_is_in_the_lists():
    routes = ROOT / "ui" / "src" / "routes"
    found: set[str] = set()
    for path in routes.rglob("*.tsx"):
        name = path.relative_to(routes).with_suffix("").as_posix()
        if path.name in ("__root.tsx", "_app.tsx", "route.tsx", "$.tsx"):
            continue
        found.add("/" + name.removeprefix("_app/").removesuffix("index").rstrip("/"))
    listed = {
        page.partition("?")[0]
        .replace("{pipeline}", "$id")
        .replace("{run}", "$runId")
        .replace("{delivery}", "$deliveryId")
        .replace("{job}", "$jobId")
        .replace("{user}", "$userId")
        .replace("{workspace}", "$workspaceId")
        for page in (*PIPELINE, *RUN, *REST, *ADMIN, *SIGNED_OUT)
    }

    assert found - _WITHOUT_A_PAGE == listed - {"/no-such-page"}


@pytest.mark.parametrize("pages", [PIPELINE, RUN, REST], ids=["pipeline", "run", "rest"])
async def test_pages_of_a_workspace(
    page: Page,
    person: Person,
    api: httpx2.AsyncClient,
    problems: PageProblems,
    pages: Sequence[str],
):
    problems.expect("/no-such-page")
    ids = await _fill(api)
    await open_session(page, person)

    await _visit(page, [each.format(**ids) for each in pages])


async def test_pages_of_administrators(page: Page, ui_server: UiServer, api: httpx2.AsyncClient):
    me = (await api.get("/api/user/me")).json()
    ids = {"user": me["id"], "workspace": me["workspace"]["id"]}
    await open_session(page, ui_server.admin)

    await _visit(page, [each.format(**ids) for each in ADMIN])


async def test_pages_without_a_session(page: Page):
    await _visit(page, SIGNED_OUT)


async def _visit(page: Page, urls: Sequence[str]) -> None:
    for url in urls:
        await page.goto(url)
        await expect(page.get_by_role("heading").first).to_be_visible()
        await expect(page.locator(".mantine-Skeleton-root")).to_have_count(0)
        if "panel=" in url:
            await expect(page.get_by_role("tabpanel")).not_to_be_empty()
        if url in _WITH_A_TABLE:
            await expect(page.get_by_role("table").first).to_be_visible()
        try:
            await assert_accessible_in_both_themes(page)
        except AssertionError as error:
            raise AssertionError(f"{url}: {error}") from error


async def _fill(api: httpx2.AsyncClient) -> dict[str, str]:
    """Create one of everything. Returns the ids for the URLs."""
    saved = await api.post(
        "/api/pipelines", content=SOURCE, headers={"Content-Type": "application/yaml"}
    )
    pipeline = saved.raise_for_status().json()["id"]
    for number in ("first", "second"):
        schedule = {"name": f"The {number}", "cron_expression": "0 9 * * *", "timezone": "UTC"}
        created = await api.post(f"/api/pipelines/{pipeline}/schedules", json=schedule)
        created.raise_for_status()
    run = (await api.post(f"/api/pipelines/{pipeline}/run", json={})).raise_for_status()
    sent = await api.post(f"/api/pipelines/{pipeline}/deliveries/test")
    key = await api.post("/api/user/api-keys", json={"name": "deploy"})
    key.raise_for_status()
    run_id = run.json()["id"]
    job = await api.post("/api/bulk-jobs", json={"action": "retry", "run_ids": [run_id]})
    return {
        "pipeline": pipeline,
        "run": run_id,
        "delivery": sent.raise_for_status().json()["data"][0]["id"],
        "job": job.raise_for_status().json()["id"],
    }
