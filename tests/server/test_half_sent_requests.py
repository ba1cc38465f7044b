"""More half-sent requests than a process has descriptors."""

import asyncio
import json
import os
import signal

import httpx2
import pytest

from stepiq.accounts.signing_in.registration import setup_token
from stepiq.server.process import raise_file_limit
from tests.support.forked_command import ForkedCommand

pytestmark = pytest.mark.slow

DESCRIPTORS = 1_024
REQUESTS = 1_500
ADDRESSES = 6
LIMITED = f"""
import resource, runpy

resource.setrlimit(resource.RLIMIT_NOFILE, (256, {DESCRIPTORS}))
runpy.run_module("stepiq", run_name="__main__", alter_sys=True)
"""
HALF = (
    b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: 99\r\n\r\n{"
)
PASSWORD = "at-least-8-characters"


async def ready(process):
    """The URLs of the server and of its metrics, and the event of the start."""
    found = {}
    async with asyncio.timeout(180):
        while "server_ready" not in found:
            line = json.loads(await process.stderr.readline())
            found[line["event"]] = line
    return found["server_ready"], found["metrics_ready"]["url"]


async def connections(client, url):
    text = (await client.get(url)).text
    (line,) = [each for each in text.splitlines() if each.startswith("stepiq_connections_open ")]
    return float(line.split()[1])


async def test_the_server_serves_others_and_recovers(tmp_path):
    raise_file_limit()
    environment = {name: value for name, value in os.environ.items() if "STEPIQ" not in name}
    environment |= {
        "STEPIQ_DATA_DIR": str(tmp_path / "data"),
        "STEPIQ_PORT": "0",
        "STEPIQ_METRICS_PORT": "0",
        "STEPIQ_LOG_FORMAT": "json",
        "PYTHONPATH": str(tmp_path),
    }
    (tmp_path / "limited.py").write_text(LIMITED)
    process = await ForkedCommand.start(["serve"], tmp_path, environment, program="limited")
    writers = []
    try:
        started, metrics = await ready(process)
        assert process.stderr is not None
        log = asyncio.create_task(process.stderr.read())
        url = started["url"]
        port = int(url.rpartition(":")[2])
        async with httpx2.AsyncClient(
            timeout=30, limits=httpx2.Limits(max_keepalive_connections=0)
        ) as client:
            login = {"email": "ada@example.com", "password": PASSWORD}
            token = setup_token((tmp_path / "data" / "jwt.key").read_bytes().strip())
            await client.post(f"{url}/api/auth/register", json=login | {"setup_token": token})
            idle = await connections(client, metrics)

            for number in range(REQUESTS):
                source = (f"127.0.0.{2 + number % ADDRESSES}", 0)
                _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
                writer.write(HALF)
                writers.append(writer)
            health = await client.get(f"{url}/health")
            bystander = await client.post(f"{url}/api/auth/login", json=login)
            during = await connections(client, metrics)
            for writer in writers:
                writer.transport.abort()
            async with asyncio.timeout(10):
                while await connections(client, metrics) > idle:
                    pass
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
    finally:
        for writer in writers:
            writer.transport.abort()
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert started["max_open_files"] == DESCRIPTORS
    assert health.status_code == 200
    assert bystander.status_code == 200
    assert 100 < during < DESCRIPTORS
    assert b"open_files_exhausted" not in await log
