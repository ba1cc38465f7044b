"""The skill for coding agents: what it says is right, and each of its commands works."""

import asyncio
import json
import os
import re
from pathlib import Path

import httpx2
import pytest
import yaml

from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from tests.docs.pages import ROOT, blocks
from tests.docs.test_documented import COMMANDS
from tests.support.fake_provider import running_fake_provider
from tests.support.forked_programs import programs
from tests.support.ports import free_port
from tests.support.process import first_account, running_server

SKILL = ROOT / "skills" / "stepiq" / "SKILL.md"
TEXT = SKILL.read_text(encoding="utf-8")
FILES = {block.partition("\n")[0].removeprefix("# "): block for block in blocks(TEXT, "yaml")}


class TestForm:
    def test_its_front_matter_is_as_agents_read_it(self):
        head = yaml.safe_load(TEXT.split("---\n")[1])

        assert head.keys() == {"name", "description"}
        assert head["name"] == SKILL.parent.name == "stepiq"
        assert re.fullmatch("[a-z0-9-]{1,64}", head["name"])
        assert 100 < len(head["description"]) <= 1_024

    def test_it_is_short(self):
        assert len(TEXT.splitlines()) < 220
        assert len(TEXT) < 10_000

    def test_every_command_and_option_is_one_that_there_is(self):
        for called in re.findall(r"(?:^|`)(stepiq [^`#\n]+)", TEXT, re.MULTILINE):
            words = called.split()
            name = next(" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in COMMANDS)
            options = {option for each in COMMANDS[name].params for option in each.opts}
            for option in re.findall(r"(?<= )--[a-z-]+", called):
                assert option in options, called

    def test_its_pipeline_is_valid(self):
        assert load(FILES["ticket.yaml"], SourceFormat.YAML).errors == ()


@pytest.mark.slow
async def test_every_command_works(tmp_path: Path):
    """In one shell, as an agent runs them one after another, with a model and a server on loopback."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    commands = "\n".join(blocks(TEXT, "sh"))

    async with running_fake_provider() as provider:
        models = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-a-key-of-ours"}
        async with running_server(tmp_path, free_port(), models) as server:
            async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
                key = (await first_account(client, server.data))["X-API-Key"]
            printed = await _bash(tmp_path, commands, {**models, "STEPIQ_SERVER": server.url, "STEPIQ_API_KEY": key})  # fmt: skip

    assert "ticket.yaml: valid, 4 steps\n" in printed
    assert printed.count("3 tests, all passed\n") == 2
    assert (tmp_path / "report.xml").is_file()
    saved = json.loads((tmp_path / "pipeline.json").read_text())
    run = json.loads((tmp_path / "run.json").read_text())
    assert saved["version"] == 1
    assert run["pipeline_id"] == saved["id"]
    assert key not in printed


async def _bash(folder: Path, commands: str, environment: dict[str, str]) -> str:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("STEPIQ_")}
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands,
        cwd=folder,
        env={
            **ours,
            **environment,
            "PATH": f"{programs()}:{ours['PATH']}",
            "STEPIQ_DATA_DIR": str(folder / "local"),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    return printed
