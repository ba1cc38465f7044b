"""The README's pipeline and commands work as they are written, with the real local model."""

import asyncio
import json
import os
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

import httpx2
import pytest
import yaml

from stepiq.cli.pipelines.workbench import workbench
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.records import Draft
from tests.docs.pages import blocks, read, section
from tests.support.customer_messages import messages
from tests.support.forked_programs import programs
from tests.support.local_model import needs_local_model
from tests.support.ports import free_port
from tests.support.process import proof_of_operator, running_server

README = read("README.md")
PIPELINE = blocks(section(README, "## A pipeline"), "yaml")[0]
RUN = blocks(section(README, "## A pipeline"), "sh")[0]
COMMANDS, PROGRAM = (block.rstrip() for block in blocks(section(README, "## Quick start"), "sh"))
MESSAGES = 200
SAMPLE = min(MESSAGES, int(os.environ.get("STEPIQ_TEST_CYCLES", "10")))
"""How many of the messages the local model reads: all before a release. Each takes a second of CPU."""
OUTPUT = "Order A-48213: My order A-48213 arrived with a broken lid."
WITHOUT_NUMBER = "My lamp arrived with a broken lid."

pytestmark = needs_local_model


class TestPipeline:
    def test_it_is_short_and_valid(self):
        loaded = load(PIPELINE, SourceFormat.YAML)

        assert loaded.errors == ()
        assert len(PIPELINE.splitlines()) <= 19
        assert yaml.safe_load(PIPELINE) == loaded.document

    @pytest.mark.slow
    async def test_the_local_model_reads_ten_messages(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(tmp_path)
        await self.reads(dict(islice(messages(10).items(), 10)))

    async def test_a_number_that_the_local_model_invents_is_not_in_the_output(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(tmp_path)

        outputs = await run_all(PIPELINE, [WITHOUT_NUMBER])

        output = f"No order number: {WITHOUT_NUMBER}"
        assert outputs == {WITHOUT_NUMBER: output}
        assert f"For `{WITHOUT_NUMBER}`, it is `{output}`" in README

    @pytest.mark.slow
    @pytest.mark.timeout(300 + 10 * SAMPLE)
    async def test_the_local_model_reads_a_sample_of_the_messages(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(tmp_path)
        # Other messages with each seed of pytest-randomly.
        await self.reads(dict(random.sample(list(messages(MESSAGES).items()), SAMPLE)))

    async def reads(self, given: dict[str, str]) -> None:
        outputs = await run_all(PIPELINE, given)

        assert outputs == {message: f"Order {order}: {message}" for message, order in given.items()}


@pytest.mark.slow
class TestCommands:
    async def test_the_pipeline_runs_without_a_server(self, tmp_path: Path):
        (tmp_path / "ticket.yaml").write_text(PIPELINE)

        output = await shell(tmp_path, RUN)

        assert OUTPUT in output.splitlines()

    async def test_the_quick_start_works_after_the_demo(self, tmp_path: Path):
        await shell(tmp_path, ".venv/bin/stepiq demo")
        login = json.loads((tmp_path / ".data" / "demo-login.json").read_text())

        output = await quick_start(tmp_path, "login", login)

        assert output == (OUTPUT, OUTPUT)

    async def test_the_quick_start_works_on_a_new_server(self, tmp_path: Path):
        account = {"email": "you@example.com", "password": "correct horse battery"}

        output = await quick_start(tmp_path, "register", account)

        assert output == (OUTPUT, OUTPUT)
        assert f"The output of both runs is `{OUTPUT}`" in README


async def run_all(source: str, inputs: Iterable[str]) -> dict[str, object]:
    """The output of the pipeline for each message; the local model reads four at a time."""
    draft = Draft(load(source, SourceFormat.YAML), source, SourceFormat.YAML)
    free = asyncio.Semaphore(4)

    async def output(message: str) -> object:
        async with free:
            return (await bench.run(pipeline, {"message": message}, ignore)).output

    async with workbench() as bench:
        pipeline = await bench.save(draft, {})
        inputs = list(inputs)
        return dict(zip(inputs, await asyncio.gather(*map(output, inputs)), strict=True))


async def ignore(_kind: str, _data: object) -> None:
    """Take no notice of a run's events."""


async def quick_start(folder: Path, action: str, account: dict[str, str]) -> tuple[str, object]:
    """The outputs of the run that the command starts, and of that of the program, on another port than the README's."""
    (folder / "ticket.yaml").write_text(PIPELINE)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        running_server(folder, port, {}) as server,
        httpx2.AsyncClient(base_url=url, timeout=60) as person,
    ):
        proof = proof_of_operator(server.data) if action == "register" else {}
        signed_in = await person.post(f"/api/auth/{action}", json={**account, **proof})
        person.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"
        made = await person.post("/api/user/api-keys", json={"name": "program"})
        environment = {
            "STEPIQ_SERVER": url,
            "STEPIQ_API_KEY": made.json()["key"],
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

        async def confirm(line: str) -> None:
            if found := re.search(r"Code: (\S+)", line):
                decision = {"user_code": found[1], "approve": True}
                (
                    await person.post("/api/user/device-login/decide", json=decision)
                ).raise_for_status()

        # A terminal would ask for the confirmation.
        commands = COMMANDS.replace("apply flows", "apply flows --yes")
        # The key is for the program only.
        shown = await shell(folder, f"unset STEPIQ_API_KEY\n{commands}", environment, confirm)
        called = PROGRAM.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        answer = await shell(folder, f"{called} 2>/dev/null", environment)
    (last,) = [line for line in shown.splitlines() if line == OUTPUT]
    return last, json.loads(answer)["output"]


async def shell(
    folder: Path,
    commands: str,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], Awaitable[None]] | None = None,
) -> str:
    """What the commands print in a folder with a `.venv`."""
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(programs().parent)
        # `running_server` has its data there.
        (folder / "data").mkdir(mode=0o700, exist_ok=True)
        (folder / ".data").symlink_to("data")
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    async for line in process.stdout:
        lines.append(line.decode())
        if on_line is not None:
            await on_line(lines[-1])
    output = "".join(lines)
    assert await process.wait() == 0, output
    return output
