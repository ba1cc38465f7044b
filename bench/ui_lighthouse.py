"""Runs Lighthouse, which npm installs into a temporary folder, with the browser of the tests."""

import asyncio
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import build_ui
import run as bench
from playwright.async_api import Playwright

from tests.ui.support import chromium, launch_arguments

VERSION = "13.5.0"
CATEGORIES = ("accessibility", "best-practices")
_INSTALL_SECONDS = 180
_AUDIT_SECONDS = 120

Scores = tuple[int, ...] | None


async def audit(
    playwright: Playwright, url: str, login: tuple[str, str], paths: Sequence[str]
) -> list[tuple[str, Scores]]:
    """The scores of pages by category, from 0 to 100, for a signed-in person. None for a page without a result."""
    with tempfile.TemporaryDirectory(prefix="stepiq-lighthouse-") as name:
        folder = Path(name)
        commands = build_ui.write_commands(folder)
        environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
        if not await _install(folder, environment):
            return [("all pages: npm could not install it", None)]
        port = bench.free_port()
        # Lighthouse opens its pages in the default context, so the session must be there.
        context = await playwright.chromium.launch_persistent_context(
            str(folder / "profile"),
            executable_path=chromium(),
            args=[*launch_arguments(), f"--remote-debugging-port={port}"],
            base_url=url,
        )
        page = await context.new_page()
        found = [
            (path, await _scores(folder, environment, port, url + path))
            for path in paths
            if path == "/login"
        ]
        await page.goto("/login?next=/runs")
        await page.get_by_label("Email").fill(login[0])
        await page.get_by_label("Password").fill(login[1])
        await page.keyboard.press("Enter")
        await page.get_by_role("table", name="Runs").wait_for()
        for path in paths:
            if path != "/login":
                found.append((path, await _scores(folder, environment, port, url + path)))
        await context.close()
        return found


async def _install(folder: Path, environment: dict[str, str]) -> bool:
    (folder / "package.json").write_text('{"private": true}')
    arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts", f"lighthouse@{VERSION}"]
    return await _run(folder, environment, f"{folder}/npm", *arguments, seconds=_INSTALL_SECONDS)


async def _scores(folder: Path, environment: dict[str, str], port: int, url: str) -> Scores:
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    await _run(
        folder,
        environment,
        f"{folder}/node",
        "node_modules/lighthouse/cli/index.js",
        url,
        f"--port={port}",
        f"--only-categories={','.join(CATEGORIES)}",
        "--preset=desktop",
        "--disable-storage-reset",
        "--output=json",
        f"--output-path={report}",
        "--quiet",
        seconds=_AUDIT_SECONDS,
    )
    if not report.is_file():
        return None
    result = json.loads(report.read_text())
    for audit in result["audits"].values():
        if audit["score"] == 0 and audit["scoreDisplayMode"] == "binary":
            print(f"{url}: {audit['id']}: {audit['title']}")
    return tuple(round((result["categories"][each]["score"] or 0) * 100) for each in CATEGORIES)


async def _run(folder: Path, environment: dict[str, str], *command: str, seconds: int) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), seconds) == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
