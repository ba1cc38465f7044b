"""Exit codes, and the line of JSON about an error."""

import asyncio
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import typer

from stepiq.cli.remote.commands import app
from tests.cli.conftest import Said
from tests.cli.remote.conftest import Remote, problem

_RUN = "01890000-0000-7000-8000-000000000000"
COMMANDS: Sequence[tuple[str, ...]] = [
    ("apply", "flows", "--yes"),
    ("diff", "flows"),
    ("pull", "new"),
    ("trigger", "greeting", "-i", "who:=1"),
    ("pipelines", "list"),
    ("runs", "list"),
    ("runs", "show", _RUN),
    ("runs", "logs", _RUN),
    ("runs", "cancel", _RUN),
    ("runs", "retry", _RUN),
    ("reviews", "list"),
    ("reviews", "show", _RUN, "check"),
    ("reviews", "approve", _RUN, "check"),
    ("reviews", "reject", _RUN, "check"),
    ("secrets", "list"),
    ("secrets", "set", "TOKEN"),
    ("secrets", "delete", "TOKEN"),
]


async def _each(remote: Remote, *more: str, at_once: int = 4) -> list[Said]:
    """Run every command."""
    remote.write("greeting.yaml")
    turns = asyncio.Semaphore(at_once)

    async def run(arguments: tuple[str, ...]) -> Said:
        async with turns:
            return await remote(*arguments, *more, stdin="value")

    return await asyncio.gather(*(run(arguments) for arguments in COMMANDS))


class TestEveryCommand:
    def test_each_is_tried(self):
        commands: Any = typer.main.get_command(app)
        words = {
            f"{name} {inner}".strip()
            for name, command in commands.commands.items()
            for inner in getattr(command, "commands", {"": None})
        }

        assert {
            " ".join(each[:2]) if f"{each[0]} {each[1]}" in words else each[0] for each in COMMANDS
        } == words

    async def test_without_a_server_it_ends_with_3(self, remote: Remote):
        remote.command.environment["STEPIQ_SERVER"] = "http://127.0.0.1:9"

        # Each waits for seconds before it tries again.
        for said in await _each(remote, at_once=len(COMMANDS)):
            assert said.code == 3
            assert problem(said)["code"] == "server_unreachable"
            assert problem(said)["message"] == (
                "http://127.0.0.1:9 cannot be reached: Connection refused. Check its URL, and whether it runs."
            )
            assert len(said.err.splitlines()) == 1

    async def test_with_a_wrong_key_it_ends_with_4(self, remote: Remote):
        remote.command.environment["STEPIQ_API_KEY"] = "sk_live_wrong"

        for said in await _each(remote):
            assert said.code == 4
            assert problem(said)["status"] == 401
            assert problem(said)["request_id"]
            assert "does not accept the API key from STEPIQ_API_KEY" in problem(said)["message"]
            assert len(said.err.splitlines()) == 1

    async def test_without_a_key_it_ends_with_4(self, remote: Remote):
        del remote.command.environment["STEPIQ_API_KEY"]

        for said in await _each(remote):
            assert said.code == 4
            assert problem(said) == {
                "code": "not_signed_in",
                "message": f"No API key is known for {remote.url}. Run `stepiq login --server {remote.url}`,"
                " or set STEPIQ_API_KEY.",
                "status": None,
                "request_id": None,
            }

    async def test_a_wrong_option_ends_with_2(self, remote: Remote):
        for said in await _each(remote, "--frobnicate"):
            assert said.code == 2
            assert problem(said)["code"] == "usage"
            assert "--frobnicate" in problem(said)["message"]

    async def test_a_wrong_profile_ends_with_2(self, remote: Remote):
        for said in await _each(remote, "--profile", "nowhere"):
            assert said.code == 2
            assert "stepiq login --profile nowhere" in problem(said)["message"]


class TestReports:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("trigger", "a", "--version", "x"), "'--version': `x`. Must be an integer, such as 3."),
            (("runs", "list", "--limit", "0"), "'--limit': `0`. Must be at least 1."),
            (("pipelines", "list", "--status", "gone"), "'--status': 'gone' is not one of 'active',"),
            (("trigger",), "Missing argument 'PIPELINE'."),
        ],
    )  # fmt: skip
    async def test_a_wrong_value_is_named_with_its_option(
        self, remote: Remote, arguments: tuple[str, ...], message: str
    ):
        said = await remote(*arguments)

        assert said.code == 2
        assert message in problem(said)["message"]

    async def test_a_server_without_tls_is_told(self, remote: Remote):
        remote.command.environment["STEPIQ_SERVER"] = remote.url.replace("http://", "https://")

        said = await remote("secrets", "set", "TOKEN", stdin="value")

        assert said.code == 3
        assert "it does not use TLS, so its URL begins with http://." in problem(said)["message"]

    async def test_login_says_what_to_do_without_a_server(self, remote: Remote):
        said = await remote("login", "--server", "http://127.0.0.1:9", "--with-key", stdin="sk")

        assert said.code == 3
        assert problem(said)["message"].endswith(" Check its URL, and whether it runs.")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("trigger", "missing"),
            ("runs", "list", "--pipeline", "missing"),
            ("pull", "copy", "missing"),
        ],
    )
    async def test_an_unknown_slug_with_json_is_one_line(
        self, remote: Remote, arguments: tuple[str, ...]
    ):
        said = await remote(*arguments, "--json")

        (line,) = said.err.splitlines()
        assert said.out == ""
        assert line.startswith("{")
        assert problem(said)["code"] == "pipeline_not_found"

    async def test_an_unknown_command_is_reported_as_json(self, remote: Remote):
        said = await remote("runs", "lst")

        assert said.code == 2
        assert "lst" in problem(said)["message"]

    async def test_a_key_without_the_scope_ends_with_4(self, remote: Remote):
        remote.command.environment["STEPIQ_API_KEY"] = await remote.new_key("pipelines:read")

        said = await remote("secrets", "set", "TOKEN", stdin="value")

        assert said.code == 4
        assert problem(said)["status"] == 403

    async def test_on_a_terminal_it_is_a_sentence(self, remote: Remote):
        said = await _on_terminal(remote, "runs", "show", _RUN)

        assert said.startswith("Error: ")
        assert _RUN in said
        assert "{" not in said

    async def test_with_json_it_is_json_on_a_terminal_too(self, remote: Remote):
        said = await _on_terminal(remote, "runs", "show", _RUN, "--json")

        assert said.startswith('{"error": {"code": "run_not_found"')

    async def test_a_reader_that_has_ended_is_no_error(self, remote: Remote):
        await remote.save()
        command = shlex.join([sys.executable, "-m", "stepiq", "pipelines", "list"])

        said = await remote.command.shell(f"{{ {command} || echo $? >&2; }} | true")

        assert said.err == "1\n"


async def _on_terminal(remote: Remote, *arguments: str) -> str:
    """What a command prints on a terminal."""
    said = await remote.command.on_terminal(*arguments)
    assert said.code == 5
    return said.out.replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "")
