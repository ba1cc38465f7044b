"""The examples of the guide of the Python library: their types are right, and they work with a live server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.client import AsyncClient
from tests.docs.pages import ROOT, blocks, read
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server

EXAMPLES = blocks(read("docs/client.md"), "python")
RECEIVER = next(each for each in EXAMPLES if "serve_forever" in each)
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
METRICS_TOKEN = "metrics-token-of-this-test-only"
GREETING = """\
name: Greeting
input: {schema: {name: {type: string, required: true}}}
steps: [{id: greet, type: transform, template: "Hello {{input.name}}"}]
"""
REVIEWED = "name: Reviewed\nsteps: [{id: check, type: human_review, message: Good?}]\n"
BROKEN = "name: Broken\nsteps: [{id: c, type: code, language: python, source: 'def main(i): return 1 / 0'}]\n"
DELIVERED = """\
name: Delivered
steps: [{id: a, type: transform, template: done}]
output: {deliver: [{type: webhook, url: "URL", signing_secret_name: REPORT_SIGNING_SECRET}]}
"""


@pytest.mark.slow
def test_pyright_finds_no_error_in_strict_mode(tmp_path: Path):
    settings = {"strict": ["."], "venvPath": str(ROOT), "venv": ".venv", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(example)

    done = subprocess.run(
        [sys.executable, "-m", "pyright", "-p", str(tmp_path)], capture_output=True, text=True
    )

    assert (done.returncode, done.stdout.strip()) == (0, "0 errors, 0 warnings, 0 informations")
    assert len(EXAMPLES) == 11


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    environment = {
        "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
        "STEPIQ_METRICS_TOKEN": METRICS_TOKEN,
    }
    async with running_server(tmp_path, free_port(), environment) as server:
        yield server


@pytest.mark.slow
@pytest.mark.one_store
async def test_each_example_works(server: ServerProcess, tmp_path: Path):
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as http:
        key = (await first_account(http, server.data))["X-API-Key"]
    port = free_port()
    environment = {
        **os.environ,
        "STEPIQ_SERVER": server.url,
        "STEPIQ_API_KEY": key,
        "REPORT_SIGNING_SECRET": SECRET,
        "PASSWORD": "correct horse battery",
    }
    (tmp_path / "welcome.yaml").write_text(GREETING.replace("Greeting", "Welcome"))
    async with AsyncClient(server.url, api_key=key) as client:
        await client.pipelines.create(GREETING)
        reviewed = await client.pipelines.create(REVIEWED)
        broken = await client.pipelines.create(BROKEN)
        await client.secrets.set(name="REPORT_SIGNING_SECRET", value=SECRET)
        url = f"http://127.0.0.1:{port}/hook"
        delivered = await client.pipelines.create(DELIVERED.replace("URL", url))
        waiting = await client.runs.start(reviewed.id)
        failed = await client.runs.start_and_wait(broken.id)
        assert failed.status == "failed"
        assert (await client.health.check_readiness()).status == "ready"
        assert "stepiq_" in await client.with_session(METRICS_TOKEN).health.get_metrics()

        printed = {
            example: await _run(example, tmp_path, environment)
            for example in EXAMPLES
            if example != RECEIVER
        }
        approved = await client.runs.wait(waiting.id, timeout=30)
        receiving = await _start(RECEIVER.replace("8000", str(port)), tmp_path, environment)
        await _until_open(port)
        ended = await client.runs.start_and_wait(delivered.id)
        assert receiving.stdout is not None
        received = (await asyncio.wait_for(receiving.stdout.readline(), 60)).decode()
        receiving.kill()
        await receiving.wait()

    assert approved.status == "completed"
    assert received == f"{ended.id} completed done\n"
    found: Any = list(printed.values())
    assert found[0] == "completed Hello Ada\n"
    assert "greet completed\n" in found[1]
    # In the order in which the runs complete.
    assert sorted(found[2].splitlines()) == ["Hello Ada", "Hello Edsger", "Hello Grace"]
    assert found[3] == "created welcome version 1\nsaved version 2\n"
    assert "Broken failed\n" in found[4]
    assert "is repeated as" in found[5]
    assert found[6] == "Reviewed Good?\n"
    assert found[7].strip()
    assert found[8] == "name `name` must be a string; it is a number.\n"
    assert found[9] == "sk_live_\n"


async def _until_open(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _start(
    example: str, folder: Path, environment: dict[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", example, cwd=folder, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _run(example: str, folder: Path, environment: dict[str, str]) -> str:
    process = await _start(example, folder, environment)
    printed, problems = await process.communicate()
    assert (process.returncode, problems.decode()) == (0, ""), example
    return printed.decode()
