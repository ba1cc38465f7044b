"""The sandbox of a server that has many open files and connections, so that new descriptors have large numbers."""

import os
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox import fork_server
from stepiq.sandbox.conversation import Ran
from stepiq.sandbox.sandbox import Sandbox
from tests.sandbox.processes import links, running, told

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root can look into a child.")
languages = pytest.mark.parametrize("language", list(CodeLanguage))

IDENTITY = {
    CodeLanguage.PYTHON: "def main(input): return input",
    CodeLanguage.JAVASCRIPT: "function main(input) { return input }",
}
MANY = 1_100
"""More than `select` can watch (1,024)."""


@pytest.fixture
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    with ExitStack() as opened:
        for _ in range(MANY):
            opened.enter_context(open(os.devnull))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def sandbox(measured: None, many_open_files: None) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


class TestManyOpenFiles:
    @languages
    async def test_code_runs(self, sandbox: Sandbox, language: CodeLanguage):
        outcome = await sandbox.run(
            language, IDENTITY[language], 1, timeout=timedelta(seconds=10), log=print
        )

        assert outcome == Ran(1)

    async def test_the_fork_server_opens_no_file_with_a_number_that_children_do_not_close(
        self, sandbox: Sandbox
    ):
        async with running(sandbox, CodeLanguage.JAVASCRIPT):
            assert sandbox.pid is not None
            limited = told(sandbox.pid, "limits")

        assert "Max open files".ljust(26) + f"{fork_server._MAX_DESCRIPTORS:<21}" in limited

    @needs_root
    @languages
    async def test_a_child_shares_only_its_lifeline_with_the_fork_server(
        self, sandbox: Sandbox, language: CodeLanguage
    ):
        async with running(sandbox, language) as code:
            assert sandbox.pid is not None
            # The fork server has closed its copy of the connection when it starts the next child.
            await sandbox.run(
                language, IDENTITY[language], 1, timeout=timedelta(seconds=10), log=print
            )
            forking = set(links(sandbox.pid))
            ours = {link for pid in code.pids for link in links(pid)}

        shared = ours & forking - {os.devnull}
        assert [link.split(":")[0] for link in shared] == ["pipe"]
        assert any(link.startswith("socket:") for link in forking)
