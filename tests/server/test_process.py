"""`serve` as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from functools import partial

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts.signing_in.registration import setup_token
from stepiq.store import migrate
from stepiq.store.connections import engines
from tests.support.forked_command import ForkedCommand
from tests.support.locks import until_one_waits

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def serving(folder, *, module="stepiq", is_forked=True, **settings):
    """A server, forked from a process that has imported stepIQ, or started by Python."""
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STEPIQ_", "OPENAI_"))
        },
        "STEPIQ_DATA_DIR": str(folder / "data"),
        "STEPIQ_PORT": "0",
        "STEPIQ_LOG_FORMAT": "json",
        **settings,
    }
    if is_forked:
        process = await ForkedCommand.start(["serve"], folder, environment, program=module)
    else:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            "serve",
            cwd=folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def ready(process):
    """The lines of the log until the server is ready."""
    lines = []
    async with asyncio.timeout(180):
        while not lines or lines[-1]["event"] != "server_ready":
            lines.append(json.loads(await process.stderr.readline()))
    return lines


async def ended(process):
    """The remaining lines of the log; standard output stays empty."""
    output, errors = await asyncio.wait_for(process.communicate(), 180)
    assert output == b""
    return [json.loads(line) for line in errors.splitlines()]


def without_delays(lines):
    """The lines that do not depend on the speed of the machine."""
    return [line for line in lines if line["event"] != "event_loop_held"]


HOLDING = """
import runpy, time
from stepiq.server.worker import Worker

stop = Worker.stop

async def hold(self, drain):
    time.sleep(0.5)
    await stop(self, drain)

Worker.stop = hold
runpy.run_module("stepiq", run_name="__main__", alter_sys=True)
"""


class TestServe:
    async def test_a_loop_that_is_held_during_the_drain_is_reported(self, tmp_path):
        (tmp_path / "holding.py").write_text(HOLDING)
        async with serving(tmp_path, module="holding", PYTHONPATH=str(tmp_path)) as process:
            await ready(process)
            process.send_signal(signal.SIGTERM)
            lines = await ended(process)

        stacks = [line["stack"] for line in lines if line["event"] == "event_loop_held"]
        assert any(stack.endswith(" hold") for stack in stacks)

    async def test_it_writes_one_json_object_a_line_and_no_setup_token(self, tmp_path):
        async with serving(tmp_path, is_forked=False) as process:
            lines = await ready(process)
            url = lines[-1]["url"]
            token = setup_token((tmp_path / "data" / "jwt.key").read_bytes().strip())
            async with httpx2.AsyncClient(
                headers={"X-Forwarded-For": "203.0.113.9"}, timeout=30
            ) as client:
                body = {"email": "ada@example.com", "password": "at-least-8"}
                body |= {"setup_token": token}
                response = await client.post(f"{url}/api/auth/register", json=body)
                assert (await client.get(f"{url}/ready")).status_code == 200
            process.send_signal(signal.SIGTERM)
            lines += await ended(process)

        assert response.json()["user"]["is_admin"]
        assert process.returncode == 0
        (advice,) = [line["advice"] for line in lines if line["event"] == "no_account"]
        assert "`stepiq setup-token`" in advice
        assert token not in str(lines)
        assert without_delays(lines)[-1]["event"] == "stopping"
        assert not [line for line in lines if line["level"] in ("error", "critical")]

    async def test_it_warns_once_about_what_doctor_warns_about(self, tmp_path):
        async with serving(
            tmp_path, STEPIQ_REGISTRATON="closed", STEPIQ_DEFAULT_MODEL="openai/gpt-4o"
        ) as process:
            lines = await ready(process)

        warnings = [line for line in without_delays(lines) if line["level"] == "warning"]
        assert [(line["event"], line["check"]) for line in warnings] == [
            ("startup_warning", "settings"),
            ("startup_warning", "default model"),
        ]
        assert "Did you mean STEPIQ_REGISTRATION?" in warnings[0]["problem"]

    async def test_it_does_not_start_with_what_doctor_fails(self, tmp_path):
        async with serving(tmp_path, STEPIQ_MASTER_KEY="short") as process:
            (line,) = without_delays(await ended(process))

        assert process.returncode == 1
        assert (line["event"], line["code"]) == ("start_failed", "key_unusable")
        assert "STEPIQ_MASTER_KEY" in line["message"]

    async def test_its_keys_and_folder_are_its_owners_alone(self, tmp_path):
        async with serving(tmp_path) as process:
            await ready(process)

            assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
            for name in (
                "jwt.key",
                "stepiq.db",
                "stepiq.db-wal",
                "stepiq.db-shm",
                "stepiq.db.lock",
            ):
                assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600

    async def test_a_second_one_on_the_same_data_says_who_has_it(self, tmp_path):
        async with serving(tmp_path) as first:
            await ready(first)
            async with serving(tmp_path) as second:
                (line,) = without_delays(await ended(second))

            assert second.returncode == 1
            assert line["code"] == "worker_running"
            assert str(first.pid) in line["message"]

    async def test_a_second_one_on_the_same_data_and_port_says_who_has_the_data(self, tmp_path):
        async with serving(tmp_path) as first:
            url = (await ready(first))[-1]["url"]
            async with serving(tmp_path, STEPIQ_PORT=url.rpartition(":")[2]) as second:
                (line,) = without_delays(await ended(second))

        assert line["code"] == "worker_running"
        assert line["message"] == (
            f"Another stepIQ process (pid {first.pid}) uses {tmp_path}/data/stepiq.db. Stop it first, or give this one another"
            " STEPIQ_DATA_DIR."
        )

    async def test_a_taken_port_is_named_with_what_to_do(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            async with serving(tmp_path, STEPIQ_PORT=port) as process:
                (line,) = without_delays(await ended(process))

        assert line["code"] == "address_in_use"
        assert line["message"].startswith(f"The server cannot listen on 127.0.0.1:{port}")
        assert "STEPIQ_PORT" in line["message"]


WAITING = """
import asyncio
from stepiq.server.process import stop_on_signal

async def main():
    stopping = stop_on_signal()
    print("ready", flush=True)
    await stopping.wait()
    print("stopping", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


class TestStopOnSignal:
    async def test_a_second_signal_ends_the_process(self):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WAITING, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        said: list[bytes] = []
        async with asyncio.timeout(60):
            said.append(await process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            said.append(await process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            await process.wait()

        assert said == [b"ready\n", b"stopping\n"]
        assert process.returncode == -signal.SIGTERM


STARTING = """
import asyncio, time
from stepiq.server.process import run

async def main():
    print("ready", flush=True)
    await asyncio.to_thread(time.sleep, 600)

run(main())
"""


class TestRun:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_a_signal_during_the_start_ends_the_process(self, number: signal.Signals):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", STARTING, stdout=asyncio.subprocess.PIPE,
            # A shell starts background jobs with SIGINT ignored, and programs inherit this.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(60):
            await process.stdout.readline()
            process.send_signal(number)
            await process.wait()

        assert process.returncode == -number

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_a_worker_that_waits_for_a_migration_ends(self, database, database_url, tmp_path):
        async with database.transaction() as session:
            await session.execute(sa.text("DELETE FROM alembic_version"))
        environment = {
            **os.environ,
            "STEPIQ_DATA_DIR": str(tmp_path),
            "STEPIQ_DATABASE_URL": database_url,
            "STEPIQ_JWT_SECRET": "x" * 64,
            "STEPIQ_ALLOW_UNSAFE_STORE": "true",
        }
        engine = engines.create(database.url)
        with engine.connect() as connection:
            lock = sa.func.pg_advisory_xact_lock(migrate.ADVISORY_LOCK)
            connection.execute(sa.select(lock))
            process = await ForkedCommand.start(["worker"], tmp_path, environment)
            async with asyncio.timeout(60):
                await until_one_waits(database)
                process.send_signal(signal.SIGTERM)
                (*_, line) = without_delays(await ended(process))
        engine.dispose()

        assert (line["event"], line["signal"]) == ("interrupted", "SIGTERM")
        assert process.returncode == -signal.SIGTERM
