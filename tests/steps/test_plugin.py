"""The package in `examples/plugin`, which the guide describes: built, installed, and used by a server."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.plugins import EXAMPLE, build_example
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server

GUIDE = EXAMPLE.parents[1] / "docs" / "step-types.md"
PIPELINE = """\
name: Orders
steps:
  - {id: text, type: transform, template: "customer,amount\\nAda,12.50\\n"}
  - {id: before, type: csv}
  - {id: pause, type: wait, seconds: 2}
  - {id: after, type: csv, input: steps.text.output, header: false}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_example(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
async def server(folder: Path, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with running_server(tmp_path, free_port(), {"PYTHONPATH": str(folder)}) as server:
        yield server


def call(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=EXAMPLE, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_code_of_the_guide_is_that_of_the_package():
    blocks = re.findall(
        r"```(?:python|toml)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL
    )
    files = [*EXAMPLE.glob("src/stepiq_csv/*.py"), EXAMPLE / "pyproject.toml"]
    lines = {line for file in files for line in file.read_text(encoding="utf-8").splitlines()}

    assert blocks
    assert {line for block in blocks for line in block.splitlines()} <= lines


@pytest.mark.slow
def test_its_own_tests_pass(folder: Path):
    assert " passed" in call(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")


@pytest.mark.slow
def test_the_example_of_its_page_gives_the_output_of_its_page(folder: Path, tmp_path: Path):
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (pipeline,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    given, output = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "orders.yaml"
    file.write_text(pipeline)
    (tmp_path / "input.json").write_text(given)

    arguments = ("--input-file", str(tmp_path / "input.json"), "--json")
    shown = call(folder, "-m", "stepiq", "run", str(file), *arguments)

    assert json.loads(shown)["output"] == json.loads(output)


@pytest.mark.slow
@pytest.mark.one_store
class TestServer:
    async def test_a_run_with_its_steps_continues_after_a_crash(self, server: ServerProcess):
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            client.headers.update(await first_account(client, server.data))
            headers = {"Content-Type": "application/yaml"}
            saved = await client.post("/api/pipelines", content=PIPELINE, headers=headers)
            started = await client.post(f"/api/pipelines/{saved.json()['id']}/run", json={})
            url = f"/api/runs/{started.json()['id']}"
            await _until(client, url, lambda run: len(run["steps"]) == 3)

            await server.kill()
            await server.start()
            run = await _until(client, url, lambda run: run["completed_at"] is not None)

        assert run["status"] == "completed"
        assert [step["type"] for step in run["steps"]] == ["transform", "csv", "wait", "csv"]
        assert run["steps"][1]["output"] == [{"customer": "Ada", "amount": "12.50"}]
        assert run["output"] == [["customer", "amount"], ["Ada", "12.50"]]

    async def test_it_is_in_the_schema_for_editors_and_on_the_page_of_step_types(
        self, server: ServerProcess
    ):
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            schema = (await client.get("/api/schema/pipeline.json")).json()
            page = (await client.get("/docs/steps")).text

        assert "csv_step" in schema["$defs"]
        assert "From the package stepiq-csv." in page


async def _until(client: httpx2.AsyncClient, url: str, is_right: Any) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not is_right(run := (await client.get(url)).json()):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return run
