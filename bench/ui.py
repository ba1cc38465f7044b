"""Measure the web interface of this checkout against its budgets; see README.md beside this file.

Usage: python bench/ui.py [--skip-lighthouse]
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Page,
    Playwright,
    async_playwright,
)

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import build_ui
import run as bench
from ui_lighthouse import audit

from tests.ui.run_rows import insert_run
from tests.ui.support import chromium, launch_arguments

EMAIL, PASSWORD = "bench@example.com", "only for this run"
PROBE = (Path(__file__).parent / "ui_probe.js").read_text("utf-8")
VIEWPORT = {"width": 1440, "height": 900}
STEPS = 10_000
LIVE_STEPS = 1_000
LONG_FRAME_MS = 50
LONGEST_SECONDS = 240
ONE_STEP = "name: Bench\nsteps:\n  - {id: ask, model: openai/gpt-4o-mini, prompt: Hello}\n"
CHAIN = 20
GROWING = """\
name: Growing
input: {schema: {many: {type: array, required: true}, more: {type: array, required: true}}}
steps:
  - id: many
    type: parallel
    for_each: input.many
    max_concurrency: 50
    steps: [{id: number, type: transform, set: {n: item}}]
  - id: more
    type: parallel
    for_each: input.more
    max_concurrency: 50
    steps: [{id: ask, model: openai/gpt-4o-mini, prompt: "{{item}}"}]
"""


@dataclass
class Row:
    """A line of the table."""

    name: str
    limit: str
    measured: str
    is_met: bool | None
    """None: not measured."""


class Bench:
    """The server, the browser, and what was measured."""

    def __init__(self, target: bench.Server, provider: str, data: Path, browser: Browser) -> None:
        self.target, self.provider, self.data, self.browser = target, provider, data, browser
        self.rows: list[Row] = []

    def add(self, name: str, limit: str, measured: str, is_met: bool | None) -> None:
        """Add a line to the table, and show it at once on stderr."""
        self.rows.append(Row(name, limit, measured, is_met))
        print(f"{name}: {measured} (limit: {limit})", file=sys.stderr)

    def add_times(
        self,
        name: str,
        limit_ms: float,
        times: list[float],
        *,
        cpu: list[float] | None = None,
        percent: int = 50,
    ) -> None:
        """Add a line with the median and a high percentile, of which one must meet the limit."""
        ordered = sorted(times)
        high = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
        median = statistics.median(ordered)
        text = f"median {median:,.0f} ms, p95 {high:,.0f} ms, {len(times)} times"
        if cpu:
            text += f"; {statistics.median(cpu):,.0f} ms of CPU in the page"
        self.add(name, f"{limit_ms:,.0f} ms", text, (high if percent == 95 else median) <= limit_ms)

    def add_frames(self, name: str, frames: dict[str, Any], tasks: list[float]) -> None:
        """Add lines about frames that `probe.frames` has measured, and about the CPU time of tasks meanwhile."""
        durations = sorted(frames["durations"])
        long = [each for each in durations if each > LONG_FRAME_MS]
        p95, longest = durations[len(durations) * 95 // 100], durations[-1]
        text = f"{len(long)} of {len(durations)} over, p95 {p95:.0f} ms, longest {longest:.0f} ms"
        self.add(name, f"no frame over {LONG_FRAME_MS} ms", text, not long)
        text = f"{max(tasks):.0f} ms of CPU"
        self.add(f"longest task, {name}", f"{LONG_FRAME_MS} ms", text, max(tasks) <= LONG_FRAME_MS)
        self.add(f"mounted rows, {name}", "60", str(frames["rows"]), frames["rows"] <= 60)

    async def context(self) -> BrowserContext:
        """A browser without a cache and without a session."""
        context = await self.browser.new_context(base_url=self.target.url, viewport=VIEWPORT)
        await context.add_init_script(PROBE)
        return context

    async def signed_in(self) -> BrowserContext:
        context = await self.context()
        page = await context.new_page()
        await sign_in(page)
        await page.close()
        return context

    async def save(self, source: str) -> str:
        """Create a pipeline; returns its id."""
        connection = self.target.connection()
        status, made = await connection.request(
            "POST", "/api/pipelines", source, "application/yaml"
        )
        if status != 201:
            raise SystemExit(f"The pipeline was not accepted: {made}")
        return made["id"]

    async def start(self, pipeline_id: str, data: dict[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        path, body = f"/api/pipelines/{pipeline_id}/run?wait=0", {"input_data": data or {}}
        status, made = await self.target.connection().request("POST", path, body)
        if status != 202:
            raise SystemExit(f"The run was not accepted: {made}")
        return made["id"]


async def sign_in(page: Page) -> float:
    """Sign in; returns the milliseconds from Enter until rows of the list of runs are painted."""
    await page.goto("/login?next=/runs")
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.evaluate("probe.watch('runs', 'table[aria-label=Runs] tr[data-row]')")
    begun = await page.evaluate("performance.now()")
    await page.keyboard.press("Enter")
    return await seen(page, "runs") - begun


async def seen(page: Page, name: str) -> float:
    """Wait until `probe.watch` has recorded a time; returns it."""
    await page.wait_for_function("name => name in probe.times", arg=name)
    return await page.evaluate("name => probe.times[name]", name)


async def measure_sign_in(target: Bench) -> None:
    times: list[float] = []
    for _ in range(10):
        context = await target.context()
        times.append(await sign_in(await context.new_page()))
        await context.close()
    target.add_times("sign-in until the list of runs, cold", 1000, times)


async def measure_event_to_pixel(target: Bench) -> None:
    """From the time that the server writes into an event until the row of the step is painted."""
    step = "  - {{id: s{n}, model: openai/gpt-4o-mini, prompt: Hello}}\n"
    pipeline = await target.save(
        "name: Chain\nsteps:\n" + "".join(step.format(n=n) for n in range(CHAIN))
    )
    context = await target.signed_in()
    page = await context.new_page()
    connection, delays = target.target.connection(), []
    for _ in range(6):
        await bench.answer_in(target.provider, token_ms=20, latency_ms=120)
        run_id = await target.start(pipeline)
        await page.goto(f"/runs/{run_id}")
        await page.evaluate("probe.watchCompleted()")
        opened = time.time() * 1000
        await (
            page.get_by_role("status", name="Status of the run").get_by_text("Completed").wait_for()
        )
        painted = dict(await page.evaluate("[...probe.completed]"))
        path = f"/api/runs/{run_id}/events?limit=100&type=step.status"
        events = [event["data"] for event in (await connection.request("GET", path))[1]["data"]]
        for event in events:
            recorded, shown = (
                bench._seconds(event["created_at"]) * 1000,
                painted.get(event["step_id"]),
            )
            if event["status"] == "completed" and recorded > opened and shown is not None:
                delays.append(shown - recorded)
    await context.close()
    target.add_times("event recorded until painted", 150, delays, percent=95)


async def measure_large_run(target: Bench, pipeline: str) -> None:
    inside = [{"step_id": "each", "branch": str(index)} for index in range(STEPS - 1)]
    run_id = insert_run(target.data, pipeline, [{"step_id": "all", "type": "parallel"}, *inside])
    context = await target.signed_in()
    times, cpu = [], []
    for _ in range(7):
        page = await context.new_page()
        await page.add_init_script("probe.watch('tree', '[role=treeitem]')")
        used = await PageCpu.of(page)
        await page.goto(f"/runs/{run_id}", wait_until="commit")
        times.append(await seen(page, "tree"))
        cpu.append(await used.ms())
        if len(times) < 7:
            await page.close()
    target.add_times(f"run of {STEPS:,} steps until its first row", 1000, times, cpu=cpu)
    await page.get_by_text(f"{STEPS - 1:,} inside").wait_for()
    await page.keyboard.press("e")
    await page.get_by_role("treeitem").nth(5).wait_for()
    scroll = (
        "frame => document.querySelector('[role=tree]').scrollTop += frame % 200 < 150 ? 400 : -300"
    )
    await measure_frames(target, page, "scrolling through it", scroll)
    await measure_frames(target, page, "zooming in it", ZOOM)
    await context.close()


ZOOM = """frame => {
  const lane = document.querySelector('[data-lane]').getBoundingClientRect();
  document.querySelector('[role=tree]').dispatchEvent(new WheelEvent('wheel', {
    ctrlKey: true, deltaY: frame % 60 < 30 ? -40 : 40, bubbles: true, cancelable: true,
    clientX: lane.left + lane.width * 0.6, clientY: lane.top + 5,
  }));
}"""


async def measure_frames(
    target: Bench, page: Page, name: str, action: str, seconds: int = 6
) -> None:
    await target.browser.start_tracing(
        page=page, categories=["disabled-by-default-devtools.timeline"]
    )
    frames = await page.evaluate(f"probe.frames({seconds}, {action})")
    trace = json.loads(await target.browser.stop_tracing())["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in trace
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event["tdur"] / 1000
        for event in trace
        if event["name"] == "RunTask" and "tdur" in event and (event["pid"], event["tid"]) in main
    ]
    target.add_frames(name, frames, tasks)


class PageCpu:
    """The CPU time of a page's main thread, whatever other programs do meanwhile."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    @classmethod
    async def of(cls, page: Page) -> "PageCpu":
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        return cls(session)

    async def ms(self) -> float:
        metrics = (await self._session.send("Performance.getMetrics"))["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "TaskDuration") * 1000


async def measure_growing_run(target: Bench) -> None:
    """A run that records 100 events a second while it is watched, scrolled and zoomed."""
    pipeline = await target.save(GROWING)
    await bench.answer_in(target.provider, latency_ms=800, token_ms=0)
    many = STEPS - LIVE_STEPS
    run_id = await target.start(
        pipeline, {"many": list(range(many)), "more": list(range(LIVE_STEPS))}
    )
    connection = target.target.connection()
    async with asyncio.timeout(LONGEST_SECONDS):
        while not await _has_started(connection, run_id, "more"):  # noqa: ASYNC110 - as a client would
            await asyncio.sleep(0.5)
    context = await target.signed_in()
    page = await context.new_page()
    await page.goto(f"/runs/{run_id}?step=more")
    await page.get_by_role("treeitem", name=re.compile("running more")).wait_for()
    await page.keyboard.press("e")
    await page.get_by_role("tree", name="Steps").focus()
    await page.keyboard.press("End")
    await page.get_by_role("treeitem", name=re.compile(" ask #")).first.wait_for()
    before, begun = await _last_event(connection, run_id), time.monotonic()
    await measure_frames(target, page, "watching it grow", "() => {}", 5)
    scroll = (
        "frame => document.querySelector('[role=tree]').scrollTop += frame % 20 < 10 ? -300 : 300"
    )
    await measure_frames(target, page, "scrolling while it grows", scroll, 4)
    await measure_frames(target, page, "zooming while it grows", ZOOM, 4)
    events = await _last_event(connection, run_id) - before
    rate = events / (time.monotonic() - begun)
    target.add("events per second meanwhile", "100", f"{rate:.0f}", None)
    await context.close()
    await connection.request("POST", f"/api/runs/{run_id}/cancel")


async def _has_started(connection: bench.Connection, run_id: str, step: str) -> bool:
    path = f"/api/runs/{run_id}/events?limit=1&type=step.status&step_id={step}"
    return bool((await connection.request("GET", path))[1]["data"])


async def _last_event(connection: bench.Connection, run_id: str) -> int:
    """The number of the last event, found by halving."""
    low, high = 0, 1 << 20
    while low < high:
        middle = (low + high) // 2
        path = f"/api/runs/{run_id}/events?limit=1&after={middle}"
        if (await connection.request("GET", path))[1]["data"]:
            low = middle + 1
        else:
            high = middle
    return low


async def measure_large_output(target: Bench, pipeline: str) -> None:
    text = "\n".join("a line of an answer, number " + str(n) for n in range(31_000))[:1_000_000]
    data = [{"id": n, "name": f"item {n}", "tags": ["a", "b"]} for n in range(20_000)]
    steps = [
        {"step_id": "small", "output": "small"},
        {"step_id": "text", "type": "llm", "output": text},
        {"step_id": "data", "output": data},
    ]
    run_id = insert_run(target.data, pipeline, steps, output="small")
    context = await target.signed_in()
    for before_it, name, selector in (
        ("small", "text", "section[aria-label=Answer] div[class*=row]"),
        ("text", "data", "[role=tree][aria-label=Output] [role=treeitem]"),
    ):
        times, cpu = [], []
        for _ in range(7):
            page = await context.new_page()
            used = await PageCpu.of(page)
            await page.goto(f"/runs/{run_id}?step={before_it}")
            step = page.get_by_role("treeitem", name=re.compile(f"completed {name}"))
            await step.wait_for()
            await page.get_by_role("region", name=f"Step {before_it}").wait_for()
            await asyncio.sleep(0.5)
            inspector = f'[aria-label="Step {name}"]'
            await page.evaluate(
                "([name, selector]) => probe.watch(name, selector)",
                [name, f"{inspector} {selector}"],
            )
            begun, before = await page.evaluate("performance.now()"), await used.ms()
            await page.keyboard.press("j")
            times.append(await seen(page, name) - begun)
            cpu.append(await used.ms() - before)
            await page.close()
        what = "text" if name == "text" else "JSON"
        target.add_times(f"1 MB of {what} until its preview", 100, times, cpu=cpu)
    await context.close()


def measure_bundles(target: Bench) -> None:
    """The sizes that `npm run budget` prints: what each page loads first, gzip."""
    with tempfile.TemporaryDirectory() as folder:
        commands = build_ui.write_commands(Path(folder))
        done = subprocess.run(
            [f"{commands}/node", "scripts/budget.mjs"],
            cwd=build_ui.UI,
            capture_output=True,
            text=True,
            check=False,
        )
    for kind, limit in (("js", 250), ("css", 40)):
        sizes = [float(size) for size in re.findall(rf"{kind} ([\d.]+) kB", done.stdout)]
        text = f"{min(sizes):.0f} to {max(sizes):.0f} kB, {len(sizes)} pages"
        target.add(f"first load, {kind.upper()}, gzip", f"{limit} kB", text, max(sizes) <= limit)


@asynccontextmanager
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await playwright.chromium.launch(executable_path=chromium(), args=launch_arguments())
    yield browser
    await browser.close()


async def main(*, with_lighthouse: bool) -> None:
    build_ui.build()
    with tempfile.TemporaryDirectory(prefix="stepiq-bench-") as name:
        data = Path(name)
        async with (
            bench.provider() as provider,
            bench.server(data, "", provider, {}) as server,
            async_playwright() as playwright,
        ):
            async with browser(playwright) as launched:
                target = Bench(server, provider, data, launched)
                pipeline = await target.save(ONE_STEP)
                insert_run(data, pipeline, [{"step_id": "ask"}])
                measure_bundles(target)
                await measure_sign_in(target)
                await measure_event_to_pixel(target)
                await measure_large_run(target, pipeline)
                await measure_large_output(target, pipeline)
                await measure_growing_run(target)
            if with_lighthouse:
                run_id = str(insert_run(data, pipeline, [{"step_id": "ask"}]))
                pages = [
                    "/login",
                    "/runs",
                    f"/runs/{run_id}",
                    "/pipelines",
                    f"/pipelines/{pipeline}/edit",
                    "/reviews",
                    "/usage",
                    "/settings/keys",
                    "/docs",
                ]
                for path, scores in await audit(playwright, server.url, (EMAIL, PASSWORD), pages):
                    shown = re.sub(r"[0-9a-f-]{36}", "ID", path)
                    text = (
                        "not measured"
                        if scores is None
                        else " / ".join(str(each) for each in scores)
                    )
                    target.add(
                        f"Lighthouse, {shown}",
                        "100 / 100",
                        text,
                        None if scores is None else min(scores) == 100,
                    )
    print(table(target.rows))
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


def table(rows: list[Row]) -> str:
    """The rows as a table of Markdown."""
    marks = {True: "yes", False: "NO", None: ""}
    lines = [f"| {row.name} | {row.limit} | {row.measured} | {marks[row.is_met]} |" for row in rows]
    return "\n".join(["| | limit | measured | met |", "|---|---|---|---|", *lines])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--skip-lighthouse", action="store_true", help="do not download and run Lighthouse"
    )
    asyncio.run(main(with_lighthouse=not parser.parse_args().skip_lighthouse))
