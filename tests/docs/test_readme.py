"""README's pipeline and quick start work as they stand there."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepiq.language.loading import load
from stepiq.language.source import SourceFormat
from tests.docs.pages import blocks, read, section
from tests.support.fake_provider import running_fake_provider
from tests.support.process import running_server

README = read("README.md")
PIPELINE = blocks(section(README, "## A pipeline"), "yaml")[0]
COMMANDS = blocks(section(README, "## Quick start"), "sh")[0]


class TestPipeline:
    def test_it_is_short_and_valid(self):
        loaded = load(PIPELINE, SourceFormat.YAML)

        assert loaded.errors == ()
        assert len(PIPELINE.splitlines()) <= 16
        assert yaml.safe_load(PIPELINE) == loaded.document


@pytest.mark.slow
class TestQuickStart:
    async def test_its_commands_lead_to_the_runs_output(self, tmp_path: Path):
        (tmp_path / "ticket.yaml").write_text(PIPELINE)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        assert "http://127.0.0.1:8080" in COMMANDS

        # Slow enough for who begins to listen after the run has begun.
        answer: dict[str, Any] = {"text": '{"order_number": "48213"}', "latency_ms": 3_000}
        async with running_fake_provider(**answer) as provider:
            asked = {"OPENAI_API_KEY": "sk-test-0123456789", "OPENAI_BASE_URL": provider.url}
            async with running_server(tmp_path, port, asked):
                shell = await asyncio.create_subprocess_exec(
                    "bash", "-euo", "pipefail", "-c", COMMANDS.replace("8080", str(port)),
                    cwd=tmp_path,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )  # fmt: skip
                output = (await shell.communicate())[0].decode()

        assert shell.returncode == 0, output
        assert "event: step.delta" in output
        assert output.splitlines()[-1] == "Order 48213: My order 48213 arrived with a broken lid."
