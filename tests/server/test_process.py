"""`serve` as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys

import httpx2
import pytest

pytestmark = pytest.mark.slow

_SERVE = """
from stepiq.core.errors import StepIQError
from stepiq.core.settings import load
from stepiq.server.process import serve
try:
    serve(load(), lambda text: print(text, end="\\n<ready>\\n", flush=True))
except StepIQError as error:
    print(error.code, error.message, flush=True)
    raise SystemExit(1)
"""


@contextlib.asynccontextmanager
async def serving(folder, **settings):
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
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SERVE,
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


async def said(process):
    """What the process printed until it was ready."""
    text = await asyncio.wait_for(process.stdout.readuntil(b"<ready>\n"), 60)
    return text.decode().removesuffix("\n<ready>\n")


def address(text):
    return text.split(" is ready at ")[1].split()[0]


class TestServe:
    async def test_a_new_server_tells_how_to_make_its_administrator(self, tmp_path):
        async with serving(tmp_path) as process:
            text = await said(process)
            url = address(text)
            token = text.rpartition('"setup_token": "')[2].partition('"')[0]

            assert f"curl -X POST {url}/api/auth/register" in text
            async with httpx2.AsyncClient(headers={"X-Forwarded-For": "203.0.113.9"}) as client:
                body = {"email": "ada@example.com", "password": "at-least-8", "setup_token": token}
                response = await client.post(f"{url}/api/auth/register", json=body)
                ready = await client.get(f"{url}/ready")
            assert response.json()["user"]["is_admin"]
            assert ready.status_code == 200

            process.send_signal(signal.SIGTERM)
            _, errors = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 0
            logs = [json.loads(line) for line in errors.splitlines()]
            assert "stopping" in [line["event"] for line in logs]
            assert not [line for line in logs if line["level"] in ("error", "critical")]

        async with serving(tmp_path) as process:
            text = await said(process)

        assert "setup_token" not in text
        assert text.splitlines()[1:] == [
            f"API reference: {address(text)}/docs",
            "Administrator: ada@example.com. To reset the password, use POST /api/auth/forgot-password."
            f" The mail is saved in {tmp_path / 'data' / 'mail'}.",
        ]

    async def test_it_warns_once_about_what_doctor_warns_about(self, tmp_path):
        names = {"STEPIQ_REGISTRATON": "closed", "STEPIQ_DEFAULT_MODEL": "openai/gpt-4o"}
        async with serving(tmp_path, **names) as process:
            await said(process)
            process.send_signal(signal.SIGTERM)
            _, errors = await asyncio.wait_for(process.communicate(), 30)

        logs = [json.loads(line) for line in errors.splitlines()]
        warnings = [line for line in logs if line["level"] == "warning"]
        assert [(line["event"], line["check"]) for line in warnings] == [
            ("startup_warning", "settings"),
            ("startup_warning", "default model"),
        ]
        assert "Did you mean STEPIQ_REGISTRATION?" in warnings[0]["problem"]

    async def test_it_does_not_start_with_what_doctor_fails(self, tmp_path):
        async with serving(tmp_path, STEPIQ_MASTER_KEY="short") as process:
            output, _ = await asyncio.wait_for(process.communicate(), 60)

        assert process.returncode == 1
        assert output.startswith(b"key_unusable ")
        assert b"STEPIQ_MASTER_KEY" in output

    async def test_its_keys_and_folder_are_its_owners_alone(self, tmp_path):
        async with serving(tmp_path) as process:
            await said(process)

            assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
            assert (tmp_path / "data" / "jwt.key").stat().st_mode & 0o777 == 0o600

    async def test_a_second_one_on_the_same_data_says_who_has_it(self, tmp_path):
        async with serving(tmp_path) as first:
            await said(first)
            async with serving(tmp_path) as second:
                output, _ = await asyncio.wait_for(second.communicate(), 60)

            assert second.returncode == 1
            assert output.startswith(b"worker_running ")
            assert str(first.pid).encode() in output

    async def test_a_taken_port_is_named_with_what_to_do(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            async with serving(tmp_path, STEPIQ_PORT=port) as process:
                output, _ = await asyncio.wait_for(process.communicate(), 60)

        assert output.decode().startswith(
            f"address_in_use The server cannot listen on 127.0.0.1:{port}"
        )
        assert b"STEPIQ_PORT" in output
