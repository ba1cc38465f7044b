"""A sandbox, and short ways to run something in it."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from stepiq.core.json import Json
from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox import fork_server_client
from stepiq.sandbox.conversation import Outcome
from stepiq.sandbox.isolation.walls import Confinement, Started, find_interpreter
from stepiq.sandbox.sandbox import Sandbox

_COVERAGE = "COVERAGE_PROCESS_CONFIG"


class Unconfined(Confinement):
    """Isolates nothing, because the test runs in the same process, and records what it should isolate."""

    workers: list[int | None]

    def __init__(self) -> None:
        super().__init__(find_interpreter(), parent=0, lifeline=0, seconds=0)
        object.__setattr__(self, "workers", [])

    def launch(self, start: Callable[[], Started]) -> Started:
        return start()

    def close(self, worker: int | None) -> None:
        self.workers.append(worker)


class Code:
    """Runs code in one sandbox and keeps what it prints."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.lines: list[str] = []
        self.first_line_at = 0.0
        """By the monotonic clock; until there is one, when the run was asked for."""

    async def python(self, source: str, value: Json = None, seconds: float = 30) -> Outcome:
        return await self._run(CodeLanguage.PYTHON, source, value, seconds)

    async def javascript(self, source: str, value: Json = None, seconds: float = 30) -> Outcome:
        return await self._run(CodeLanguage.JAVASCRIPT, source, value, seconds)

    async def _run(
        self, language: CodeLanguage, source: str, value: Json, seconds: float
    ) -> Outcome:
        timeout = timedelta(seconds=seconds)
        self.first_line_at = time.monotonic()
        return await self.sandbox.run(language, source, value, timeout=timeout, log=self._note)

    def _note(self, line: str) -> None:
        if not self.lines:
            self.first_line_at = time.monotonic()
        self.lines.append(line)


@pytest.fixture(scope="module")
def measured() -> Iterator[None]:
    """Lets the processes of a sandbox be measured, when the tests are."""
    with pytest.MonkeyPatch.context() as patch:
        if _COVERAGE in os.environ:
            patch.setitem(fork_server_client.ENVIRONMENT, _COVERAGE, os.environ[_COVERAGE])
        yield


@pytest.fixture(scope="module")
def sandbox(measured: None) -> Iterator[Sandbox]:
    """One for all tests of a file: what one test leaves in it, the next would meet."""
    sandbox = Sandbox()
    yield sandbox
    asyncio.run(sandbox.close())


@pytest.fixture
def code(sandbox: Sandbox) -> Code:
    return Code(sandbox)
