"""Take the pictures of the web interface in docs/images, from a real server with example pipelines.

Usage: python scripts/pictures.py

A fake provider answers for the models, so the pictures need no key and show the same texts each time. The browser is
that of the tests.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import build_ui

from stepiq.accounts.signing_in.registration import setup_token
from tests.ui.support import chromium, launch_arguments

ROOT = build_ui.ROOT
_IMAGES = ROOT / "docs" / "images"
_EXAMPLES = ROOT / "examples"
_LOGIN = {"email": "ada@example.com", "password": "only for the pictures"}
_WIDTH = 1440
_HEIGHT = 900
_SCALE = 1.5
_QUALITY = 82
_MAX_BYTES = 150_000
_TEXT = "Your parcel arrives on Monday. You can change the address until Sunday evening."
_TICKET = "I was charged twice for March. Please refund one of the two payments."
_CONTRACT = (_EXAMPLES / "inputs" / "contract_review.json").read_text("utf-8")
_ANSWERS = {
    "into German": "Ihr Paket kommt am Montag an. Bis Sonntagabend können Sie die Adresse ändern.",
    "into French": "Votre colis arrive lundi. Vous pouvez modifier l'adresse jusqu'à dimanche soir.",
    "into Japanese": "お荷物は月曜日に到着します。住所は日曜日の夜まで変更できます。",
    "into Spanish": "Su paquete llega el lunes. Puede cambiar la dirección hasta el domingo por la noche.",
    "into English": _TEXT,
    "What is this ticket about": json.dumps({"topic": "billing", "urgency": 2}),
    "Rate this answer": json.dumps({"score": 9, "problem": "Nothing is missing."}),
    "Answer this customer": (
        "I am sorry that we charged you twice for March. I have refunded the second payment; your bank shows it within "
        "five days. Your plan continues without a change."
    ),
    "Read this contract": json.dumps(
        {"customer": "Northwind Traders", "months": 36, "value_eur": 43200}
    ),
}


def main() -> None:
    """Start, prepare, take the pictures, stop."""
    build_ui.build()
    with tempfile.TemporaryDirectory(prefix="stepiq-pictures-") as name:
        folder = Path(name)
        with (
            _provider() as provider,
            _server(folder, provider) as url,
            httpx2.Client(base_url=url, timeout=60) as api,
        ):
            proof = setup_token((folder / "jwt.key").read_bytes().strip())
            account = api.post("/api/auth/register", json={**_LOGIN, "setup_token": proof})
            api.headers["Authorization"] = f"Bearer {account.json()['token']}"
            _take_all(url, _prepare(api))


def _prepare(api: httpx2.Client) -> dict[str, str]:
    """Create pipelines and runs; returns the ids that the pictures need, by name."""
    fanout, triage, review = (
        _save(api, name) for name in ("translation_fanout", "support_triage", "contract_review")
    )
    broken = _save(api, "order_summary")
    _run(api, broken, {"customer": "Northwind", "items": ["desk lamp"]})
    for ticket, plan in (("The export to CSV fails since Tuesday.", "pro"), (_TICKET, "free")):
        _run(api, triage, {"ticket": ticket, "plan": plan})
    _run(api, review, json.loads(_CONTRACT), wait=2)
    languages = ["German", "French", "Japanese", "Spanish"]
    run_id = _run(api, fanout, {"text": _TEXT, "languages": languages})
    return {"run": run_id, "editor": triage}


def _save(api: httpx2.Client, name: str) -> str:
    source = (_EXAMPLES / f"{name}.yaml").read_text("utf-8")
    response = api.post(
        "/api/pipelines", content=source.encode(), headers={"Content-Type": "application/yaml"}
    )
    response.raise_for_status()
    return response.json()["id"]


def _run(api: httpx2.Client, pipeline_id: str, data: dict[str, Any], *, wait: int = 30) -> str:
    """Start a run; returns its id after its end, or after the seconds to wait."""
    path = f"/api/pipelines/{pipeline_id}/run?wait={wait}"
    response = api.post(path, json={"input_data": data})
    response.raise_for_status()
    return response.json()["id"]


def _take_all(url: str, ids: dict[str, str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=launch_arguments())
        context = browser.new_context(
            base_url=url,
            viewport={"width": _WIDTH, "height": _HEIGHT},
            device_scale_factor=_SCALE,
            color_scheme="light",
            reduced_motion="reduce",
            locale="en-US",
        )
        page = context.new_page()
        page.goto("/login?next=/runs")
        page.get_by_label("Email").fill(_LOGIN["email"])
        page.get_by_label("Password").fill(_LOGIN["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("table", name="Runs").locator("tr[data-row]")).to_have_count(5)
        _take(page, "runs", 424)

        page.goto(f"/runs/{ids['run']}?step=translate&branch={_branch(url, page, ids['run'])}")
        expect(page.get_by_role("tabpanel", name="Answer")).to_contain_text("Ihr Paket")
        _take(page, "run-page")

        page.goto(f"/pipelines/{ids['editor']}/edit?panel=test")
        page.get_by_label("ticket").fill(_TICKET)
        page.get_by_role("button", name="Run the draft").click()
        result = page.get_by_role("region", name="Result")
        expect(result.get_by_role("status", name="Test")).to_have_text("Completed")
        expect(result.get_by_label("Output", exact=True)).to_contain_text("refunded")
        _take(page, "editor")

        page.goto("/reviews")
        expect(page.get_by_role("region", name="Under review")).to_contain_text("Northwind")
        _take(page, "review", 672)
        browser.close()


def _branch(url: str, page: Page, run_id: str) -> str:
    """The branch of the first language."""
    run = page.request.get(f"{url}/api/runs/{run_id}").json()
    return next(step["branch"] for step in run["steps"] if step["step_id"] == "translate")


def _take(page: Page, name: str, height: int = _HEIGHT) -> None:
    expect(page.locator(".mantine-Skeleton-root")).to_have_count(0)  # nothing loads any more
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.evaluate("() => document.fonts.ready")
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
    picture = base64.b64decode(shot["data"])
    if len(picture) > _MAX_BYTES:
        raise SystemExit(
            f"The picture {name} has {len(picture):,} bytes, more than {_MAX_BYTES:,}."
        )
    target = _IMAGES / f"{name}.webp"
    target.write_bytes(picture)
    print(f"{target.relative_to(ROOT)}: {len(picture) / 1000:.0f} kB")


@contextmanager
def _provider() -> Generator[str]:
    """A fake provider that answers at the pace of a model; gives its URL."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with _process(f"{url}/v1/models", "dev", "fake-provider", "--port", str(port)):
        behaviour = {"answers": _ANSWERS, "latency_ms": 350, "token_ms": 40}
        httpx2.post(f"{url}/_control/config", json=behaviour).raise_for_status()
        yield f"{url}/v1"


@contextmanager
def _server(folder: Path, provider: str) -> Generator[str]:
    """A server with its data in a folder; gives its URL."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "stepiq.toml").touch()
    environment = {
        "STEPIQ_PORT": str(port),
        "STEPIQ_DATA_DIR": str(folder),
        "STEPIQ_CONFIG_FILE": str(folder / "stepiq.toml"),
        "OPENAI_API_KEY": "sk-pictures",
        "OPENAI_BASE_URL": provider,
    }
    with _process(f"{url}/ready", "serve", **environment):
        yield url


@contextmanager
def _process(ready: str, *arguments: str, **environment: str) -> Generator[None]:
    """A command of stepIQ, until it answers and while it is needed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stepiq", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(ready, process)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer.")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
