"""The command, in this process for what is quick and in one of its own for what matters."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from stepiq.cli.main import main
from stepiq.core.settings.model import Settings, load
from stepiq.store.database import Database
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.forked_command import ForkedCommand
from tests.support.forked_programs import programs


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


def within(action: Callable[[Database, Settings], Awaitable[Any]]) -> Any:
    """Do something with the database that the environment names now, as another process does."""

    async def act() -> Any:
        configured = load()
        database = Database(configured)
        try:
            return await action(database, configured)
        finally:
            await database.close()

    return asyncio.run(act())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; stepIQ keeps its data in `data` below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPIQ_DATA_DIR", "data")
    # Rich and Typer wrap text at the terminal's width, which is none of a test's business.
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture(scope="session")
def kept_commands() -> Iterator[None]:
    """Keep the tree of all commands. A process of its own creates it once, which takes 10 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", cache(get_command))
        yield


@pytest.fixture
def cli(
    kept_commands: None,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    """Run the command in this process."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["stepiq", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return run


class Command:
    """The command as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("STEPIQ_", "OPENAI_"))},
            "STEPIQ_DATA_DIR": str(folder / "data"),
            "COLUMNS": "200",
        }

    def use(self, provider: RunningFakeProvider, key: str = "sk-a-key-of-ours") -> None:
        """Have models asked there."""
        self.environment |= {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": key}

    async def start(self, *arguments: str, terminal: int | None = None) -> ForkedCommand:
        """Start it. It is forked from a process that has imported stepIQ."""
        # The processes that it starts, and the commands that it prints, are then forked too.
        python = str(programs() / "python")
        return await ForkedCommand.start(
            arguments, self.folder, self.environment, terminal, python=python
        )

    async def start_shell(self, commands: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            commands,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str, stdin: str = "") -> Said:
        return await _end(await self.start(*arguments), stdin)

    async def on_terminal(self, *arguments: str) -> Said:
        """Run it on a terminal, which shows both of its outputs: they are in `out`, with `\\n` as the end of a line."""
        ours, terminal = os.openpty()
        process = await self.start(*arguments, terminal=terminal)
        os.close(terminal)
        try:
            shown = await asyncio.wait_for(asyncio.to_thread(_read_terminal, ours), 60)
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)
        return Said(code, shown.decode().replace("\r\n", "\n"), "")

    async def shell(self, commands: str) -> Said:
        """Run commands as they are printed or documented."""
        return await _end(await self.start_shell(commands), "")


async def _end(process: asyncio.subprocess.Process | ForkedCommand, stdin: str) -> Said:
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 240)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Said(process.returncode or 0, out.decode(), err.decode())


def _read_terminal(terminal: int) -> bytes:
    """All that it shows, until no process has it open.

    One read after the end of a program is not enough: Linux may still be moving its output to the reader.
    """
    shown = b""
    with suppress(OSError):  # Linux reports the end of a terminal like this.
        while part := os.read(terminal, 65_536):
            shown += part
    return shown


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as running:
        yield running


@pytest.fixture
def pipeline(folder: Path) -> Path:
    """A pipeline that greets, with no model."""
    return write(
        folder,
        """\
        name: Greeting
        input:
          schema:
            who: {type: string, required: true}
            count: {type: integer, default: 1}
        steps:
          - id: greet
            type: transform
            template: "Hello {{input.who}} x {{input.count}}"
        """,
    )


def write(folder: Path, text: str, name: str = "pipeline.yaml") -> Path:
    """A file with a text that is indented like the code around it."""
    file = folder / name
    lines = text.splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    file.write_text("\n".join(line[indent:] for line in lines) + "\n")
    return file
