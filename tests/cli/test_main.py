import asyncio
import json
import os
import resource
import shlex
import signal
import sys
from pathlib import Path

import pytest

from stepiq import __version__
from stepiq.accounts.signing_in.registration import setup_token
from stepiq.cli.pipelines import validate as documents
from stepiq.core.errors import Unavailable
from tests.cli.conftest import Cli, Command
from tests.support.stores import PostgresStores


class TestMain:
    def test_without_a_command_the_commands_are_listed(self, cli: Cli):
        said = cli()

        assert said.code == 2
        assert "doctor" in said.out + said.err

    def test_an_unknown_option_is_a_usage_error(self, cli: Cli):
        assert cli("validate", "--frobnicate").code == 2

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("demo", "--port", "99999"), "'--port': `99999`. Must be at most 65535."),
            (("serve", "--port", "web"), "'--port': `web`. Must be an integer, such as 3."),
            (("run", "x.yaml", "--review", "no"), "'--review': 'no' is not one of 'approve', 'reject'."),
        ],
    )  # fmt: skip
    def test_a_wrong_value_of_an_option_is_repeated(
        self, cli: Cli, arguments: tuple[str, ...], expected: str
    ):
        said = cli(*arguments)

        assert said.code == 2
        assert expected in " ".join(said.err.replace("│", "").split())

    @pytest.mark.parametrize("arguments", [("--version",), ("version",)])
    def test_the_version_is_printed(self, cli: Cli, arguments: tuple[str, ...]):
        said = cli(*arguments)

        assert (said.code, said.out) == (0, f"stepiq {__version__}\n")

    def test_an_expected_error_is_one_sentence_without_a_traceback(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        def fail(*_: object, **__: object) -> None:
            raise Unavailable("The moon is away. Wait for it.")

        monkeypatch.setattr(documents, "validate", fail)

        said = cli("validate", "x.yaml")

        assert said.code == 1
        assert said.err == "Error: The moon is away. Wait for it.\n"

    def test_a_fault_of_ours_is_kept_in_a_file_that_is_named(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path
    ):
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("boom")

        monkeypatch.setattr(documents, "validate", fail)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

        said = cli("validate", "x.yaml")

        (log,) = tmp_path.glob("stepiq-fault-*.log")
        assert said.code == 70
        assert str(log) in said.err
        assert "Traceback" not in said.err
        assert "RuntimeError: boom" in log.read_text()

    def test_without_a_folder_for_it_a_fault_is_shown(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("boom")

        def full(*_: object, **__: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(documents, "validate", fail)
        monkeypatch.setattr("tempfile.NamedTemporaryFile", full)

        said = cli("validate", "x.yaml")

        assert said.code == 70
        assert "RuntimeError: boom" in said.err

    @pytest.mark.slow
    async def test_it_starts_quickly(self, command: Command):
        took: list[float] = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            await command.shell(f"exec {shlex.quote(sys.executable)} -m stepiq --version")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

        # About 0.3 s of CPU time on an idle machine. It is longer while the rest of the suite uses the caches.
        assert 0 < min(took) < 2

    @pytest.mark.slow
    async def test_it_starts_without_what_only_some_commands_need(self, command: Command):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys, stepiq.cli.main; print(*sys.modules)",
            stdout=asyncio.subprocess.PIPE,
        )
        loaded = set((await process.communicate())[0].decode().split())

        assert not loaded & {"sqlalchemy", "fastapi", "dbos", "httpx2", "pydantic_settings"}


class TestUsage:
    @pytest.mark.parametrize(
        ("command", "usage"),
        [
            ("validate", "validate [OPTIONS] FILE..."),
            ("init", "init [OPTIONS] [FILE]"),
            ("users set-plan", "users set-plan [OPTIONS] EMAIL PLAN"),
            ("users list", "users list [OPTIONS] [TEXT]"),
            ("workspaces limits", "workspaces limits [OPTIONS] ID [NAME=VALUE]..."),
        ],
    )
    def test_arguments_have_their_usual_form(self, cli: Cli, command: str, usage: str):
        said = cli(*command.split(), "--help")

        assert f"Usage: stepiq {usage} " in said.out

    @pytest.mark.parametrize("command", ["", "users", "runs", "validate", "serve", "runs list"])
    def test_flags_have_no_type(self, cli: Cli, command: str):
        said = cli(*command.split(), "--help")

        assert "--help" in said.out
        assert "bool" not in said.out


class TestPorts:
    @pytest.mark.parametrize("command", ["serve", "worker"])
    def test_one_out_of_range_is_named_by_its_option(
        self, cli: Cli, command: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_LOG_FORMAT", "console")

        said = cli(command, "--port", "65536")

        assert said.code == 2
        assert said.err == "Error: --port: `65536` is not valid. Use an integer from 0 to 65535.\n"


class TestServe:
    @pytest.mark.slow
    async def test_on_a_terminal_it_shows_the_setup_link_and_serves_until_sigterm(
        self, command: Command
    ):
        ours, terminal = os.openpty()
        process = await command.start("serve", "--port", "0", terminal=terminal)
        os.close(terminal)
        shown = b""
        try:
            while b"Keep the link secret" not in shown:
                shown += await asyncio.wait_for(asyncio.to_thread(os.read, ours, 4096), 60)
            process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(process.wait(), 30)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            os.close(ours)

        token = setup_token((command.folder / "data" / "jwt.key").read_bytes().strip())
        assert shown.startswith(f"stepIQ {__version__} is ready at http://127.0.0.1:".encode())
        assert f"/register#setup={token}\r\n".encode() in shown
        assert code == 0

    @pytest.mark.parametrize(
        ("arguments", "name", "value", "code", "message"),
        [
            (["serve"], "STEPIQ_REGISTRATION", "x", 1, "STEPIQ_REGISTRATION: `x` is not valid."),
            (["serve", "--port", "-1"], "STEPIQ_PORT", "1", 2, "--port: `-1` is not valid."),
            (["serve", "--no-worker"], "STEPIQ_PORT", "0", 2, "needs PostgreSQL"),
            (["serve", "--processes", "2"], "STEPIQ_PORT", "0", 2, "needs PostgreSQL"),
            (["serve"], "STEPIQ_PROCESSES", "2", 2, "needs PostgreSQL"),
            (["worker"], "STEPIQ_LOG_FORMAT", "xml", 1, "STEPIQ_LOG_FORMAT: `xml` is not valid."),
            (["worker"], "STEPIQ_PORT", "0", 2, "`stepiq worker` needs PostgreSQL"),
        ],
    )
    def test_a_failed_start_is_a_line_of_the_json_log(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments, name, value, code, message
    ):
        monkeypatch.setenv(name, value)

        said = cli(*arguments)

        line = json.loads(said.err)
        assert (said.code, said.out) == (code, "")
        assert (line["event"], line["level"]) == ("start_failed", "critical")
        assert line["code"] == ("usage_error" if "PostgreSQL" in message else "settings_invalid")
        assert message in line["message"]

    @pytest.mark.parametrize(("arguments", "code"), [(["--port", "99999"], 2), ([], 1)])
    def test_a_wrong_option_is_a_usage_error_and_a_wrong_variable_is_not(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
    ):
        monkeypatch.setenv("STEPIQ_LOG_FORMAT", "console")
        monkeypatch.setenv("STEPIQ_PORT", "99999")

        said = cli("serve", *arguments)

        assert said.code == code
        assert "`99999` is not valid. Use an integer from 0 to 65535." in said.err

    def test_so_is_a_fault_of_ours(self, cli: Cli, monkeypatch: pytest.MonkeyPatch):
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("the reason")

        monkeypatch.setattr("stepiq.server.serving.serve", broken)

        said = cli("serve")

        line = json.loads(said.err)
        assert (said.code, line["event"]) == (70, "process_broke")
        assert line["exception"][0]["exc_type"] == "ZeroDivisionError"


class TestWorker:
    def test_on_sqlite_it_says_what_to_run_instead(self, cli: Cli, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("STEPIQ_LOG_FORMAT", "console")

        said = cli("worker")

        assert said.code == 2
        assert "needs PostgreSQL" in said.err
        assert "Run `stepiq serve`" in said.err

    @pytest.mark.slow
    async def test_on_postgresql_it_works_until_sigterm(
        self, command: Command, postgres_stores: PostgresStores, tmp_path: Path
    ):
        url = postgres_stores.create(tmp_path)
        command.environment |= {"STEPIQ_DATABASE_URL": url, "STEPIQ_ALLOW_UNSAFE_STORE": "true"}
        process = await command.start("worker")
        try:
            assert process.stderr is not None
            lines = []
            async with asyncio.timeout(60):
                while not lines or lines[-1]["event"] != "worker_ready":
                    lines.append(json.loads(await process.stderr.readline()))
            process.send_signal(signal.SIGTERM)
            output, errors = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()
            postgres_stores.drop(url)

        assert lines[-1]["worker"].startswith("worker-")
        assert output == b""
        assert all(json.loads(line) for line in errors.splitlines())
        assert process.returncode == 0
