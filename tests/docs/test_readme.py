"""The README's pipeline and commands work as they are written, with the real local model."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest
import yaml

from stepiq.cli.workbench import workbench
from stepiq.language.loading import load
from stepiq.language.source import SourceFormat
from stepiq.pipelines.records import Draft
from tests.docs.pages import blocks, read, section
from tests.support.customer_messages import messages
from tests.support.local_model import needs_local_model
from tests.support.process import running_server

README = read("README.md")
PIPELINE = blocks(section(README, "## A pipeline"), "yaml")[0]
RUN = blocks(section(README, "## A pipeline"), "sh")[0]
AFTER_THE_DEMO, ON_A_NEW_SERVER, THE_REST = blocks(section(README, "## Quick start"), "sh")
SIGN_IN = AFTER_THE_DEMO.index("TOKEN=")
OUTPUT = "Order A-48213: My order A-48213 arrived with a broken lid."

pytestmark = needs_local_model


class TestPipeline:
    def test_it_is_short_and_valid(self):
        loaded = load(PIPELINE, SourceFormat.YAML)

        assert loaded.errors == ()
        assert len(PIPELINE.splitlines()) <= 17
        assert yaml.safe_load(PIPELINE) == loaded.document

    @pytest.mark.parametrize(
        ("first", "end"),
        [(0, 10), pytest.param(10, 200, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])],
    )
    async def test_the_local_model_reads_every_message(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, end: int
    ):
        monkeypatch.chdir(tmp_path)
        given = dict(islice(messages(end).items(), first, None))

        outputs = await run_all(PIPELINE, given)

        assert outputs == {message: f"Order {order}: {message}" for message, order in given.items()}


class TestField:
    @pytest.mark.parametrize(
        ("answer", "shown"),
        [
            ('{"status": 401, "detail": "The API key has been revoked."}', "has been revoked."),
            ('{"output": null, "error": {"code": "provider_auth"}}', "provider_auth"),
        ],
        ids=["refused", "failed run"],
    )
    async def test_it_prints_the_error(self, tmp_path: Path, answer: str, shown: str):
        define = AFTER_THE_DEMO[:SIGN_IN]

        output = await shell(tmp_path, f"{define}\necho '{answer}' | field output || true")

        assert shown in output
        assert "Traceback" not in output


@pytest.mark.slow
class TestCommands:
    async def test_the_pipeline_runs_without_a_server(self, tmp_path: Path):
        (tmp_path / "ticket.yaml").write_text(PIPELINE)

        output = await shell(tmp_path, RUN)

        assert OUTPUT in output.splitlines()

    async def test_the_quick_start_works_after_the_demo(self, tmp_path: Path):
        await shell(tmp_path, ".venv/bin/stepiq demo")

        output = await quick_start(tmp_path, AFTER_THE_DEMO)

        assert output.splitlines()[-1] == OUTPUT

    async def test_the_quick_start_works_on_a_new_server(self, tmp_path: Path):
        output = await quick_start(tmp_path, AFTER_THE_DEMO[:SIGN_IN] + ON_A_NEW_SERVER)

        assert output.splitlines()[-1] == OUTPUT
        assert f"The last line of the output is `{OUTPUT}`" in README


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


async def quick_start(folder: Path, sign_in: str) -> str:
    """What the commands print, with a server on another port than the README's."""
    (folder / "ticket.yaml").write_text(PIPELINE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    commands = (sign_in + THE_REST).replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    async with running_server(folder, port, {}):
        return await shell(folder, commands)


async def shell(folder: Path, commands: str) -> str:
    """What the commands print in a folder whose `.venv` is this environment."""
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(Path(sys.prefix))
        # `running_server` has its data there.
        (folder / "data").mkdir(mode=0o700, exist_ok=True)
        (folder / ".data").symlink_to("data")
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output
