"""The data of a server of one release, which every later version must be able to read and continue.

`python -m tests.support.release_data` records the data of this version: a backup of SQLite with its keys, and what the
API shows of it. `tests/cli/backups/test_releases.py` restores it.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from stepiq import __version__
from tests.cli.conftest import Command
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import first_account, running_server
from tests.support.receiver import running_receiver

FOLDER = Path(__file__).parents[1] / "cli" / "backups" / "releases"
LOGIN = {"email": "owner@example.com", "password": "correct horse battery"}
SECRET = "of-the-secret"
DEFINITION = """\
name: Every type
input: {schema: {topic: {type: string, required: true}}}
steps:
  - {id: t, type: transform, set: {n: '1 + 1'}}
  - {id: c, type: condition, cases: [{if: steps.t.output.n == 2, goto: p}]}
  - id: p
    type: parallel
    for_each: '[1, 2]'
    steps:
      - {id: x, type: webhook, method: POST, url: 'URL/x{{item}}', headers: {X-Token: '{{env.TOKEN}}'}}
  - {id: s, type: code, language: python, source: 'def main(i): return 3'}
  - {id: j, type: code, language: javascript, source: 'function main(i) { return 4 }'}
  - {id: w, type: wait, seconds: 0.1}
  - {id: m, model: openai/gpt-4o-mini, prompt: 'About {{input.topic}}'}
  - {id: r, type: human_review, message: 'Good?'}
  - {id: e, model: openai/gpt-4o-mini, prompt: 'After {{steps.m.output}}'}
output:
  deliver: [{type: webhook, url: 'URL/delivered', signing_secret_name: SIGNING, headers: {X-Token: '{{env.TOKEN}}'}}]
"""
"""A run of it has steps of every type, and waits for a review before the last one."""
FAILING = """\
name: Failing
steps: [{id: f, type: code, language: python, source: 'def main(i): return 1 / 0'}]
"""
ENVIRONMENT = {
    "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
    "STEPIQ_RUN_RETENTION_DAYS": "0",
    "STEPIQ_AUDIT_RETENTION_DAYS": "0",
    "OPENAI_API_KEY": "sk-fake",
}
FINAL = ("completed", "failed", "cancelled")


def environment(provider: RunningFakeProvider) -> dict[str, str]:
    """Settings of a server with this data."""
    return ENVIRONMENT | {"OPENAI_BASE_URL": provider.url}


async def fill(client: httpx2.AsyncClient, receiver: str) -> dict[str, str]:
    """Create the data. Returns the ids of the runs."""
    await _post(client, "user/secrets", name="TOKEN", value=SECRET)
    await _post(
        client, "user/secrets", name="SIGNING", value="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    )
    text = DEFINITION.replace("URL", receiver)
    await _post(
        client,
        "pipelines",
        slug="every",
        text="name: First\nsteps: [{id: a, type: transform, template: x}]\n",
    )
    await _send(client, "PUT", "pipelines/every", text=text, tags=["team"])
    await _post(client, "pipelines", slug="failing", text=FAILING)
    runs = {
        name: (await _post(client, f"pipelines/{slug}/run", input_data={"topic": name}))["id"]
        for name, slug in {"completed": "every", "waiting": "every", "failed": "failing"}.items()
    }
    for name in ("completed", "waiting"):
        await until(client, runs[name], "waiting")
    await _post(client, f"runs/{runs['completed']}/reviews/r", decision="approve", comment="Yes")
    await until(client, runs["completed"], "completed")
    await until(client, runs["failed"], "failed")
    await _until_delivered(client, runs["completed"])
    await _post(
        client,
        "pipelines/every/schedules",
        name="New year",
        cron_expression="0 0 1 1 *",
        timezone="Europe/Berlin",
        input_data={"topic": "year"},
        enabled=False,
    )
    return runs


async def shown(client: httpx2.AsyncClient, runs: dict[str, str]) -> dict[str, Any]:
    """What the API shows of the data, by path."""
    paths = [
        *(
            f"runs/{run_id}{end}"
            for run_id in runs.values()
            for end in ("", "/events", "/steps", "/deliveries")
        ),
        *(f"runs/{runs['completed']}/steps/{step}" for step in "tcpsjwmre"),
        f"runs/{runs['waiting']}/reviews/r",
        "runs",
        "reviews",
        "pipelines",
        "pipelines/every",
        "pipelines/every/versions",
        "pipelines/every/versions/1",
        "pipelines/every/versions/2",
        "pipelines/every/versions/1/diff/2",
        "schedules",
        "user/secrets",
    ]
    return {path: await _get(client, path) for path in paths}


def missing(expected: Any, actual: Any, place: str = "") -> list[str]:
    """Where an answer lacks what another one has. Later versions can add fields."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            problem
            for name, value in expected.items()
            for problem in missing(value, actual.get(name, "(missing)"), f"{place}.{name}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [
            problem for index, (a, b) in pairs for problem in missing(a, b, f"{place}[{index}]")
        ]
    return [] if expected == actual else [f"{place}: {expected!r} became {actual!r}"]


async def until(client: httpx2.AsyncClient, run_id: str, *statuses: str) -> dict[str, Any]:
    """Wait until a run has one of these statuses."""
    async with asyncio.timeout(60):
        while (run := await _get(client, f"runs/{run_id}"))["status"] not in statuses:
            assert run["status"] not in FINAL, run
            await asyncio.sleep(0.05)
    return run


async def _until_delivered(client: httpx2.AsyncClient, run_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            (delivery,) = (await _get(client, f"runs/{run_id}/deliveries"))["data"]
            if delivery["status"] == "delivered":
                return
            await asyncio.sleep(0.05)


async def _post(client: httpx2.AsyncClient, path: str, **body: Any) -> Any:
    return await _send(client, "POST", path, **body)


async def _send(client: httpx2.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await client.request(method, f"/api/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def _get(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/api/{path}")
    assert answer.is_success, f"{path}: {answer.text}"
    return answer.json()


async def record(folder: Path) -> dict[str, Any]:
    """Create the backup in a folder. Returns what `expected.json` contains."""
    async with running_fake_provider() as provider, running_receiver() as receiver:
        async with (
            running_server(folder, free_port(), environment(provider)) as server,
            httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
        ):
            client.headers.update(await first_account(client, server.data))
            runs = await fill(client, receiver.url)
            answers = await shown(client, runs)
            # Until no task of the server writes any more.
            await server.terminate()
        made = await Command(folder)("backup", "backup.zip", "--with-keys")
    assert made.code == 0, made.err
    return {"key": client.headers["X-API-Key"], "runs": runs, "shown": answers}


def main() -> None:
    """Replace the data of this version."""
    target = FOLDER / __version__
    with tempfile.TemporaryDirectory(prefix="stepiq-release-") as folder:
        expected = asyncio.run(record(Path(folder)))
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.move(Path(folder, "backup.zip"), target)
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (target / "expected.json").write_text(f"{text}\n")
    sys.stdout.write(f"Wrote {target}.\n")


if __name__ == "__main__":
    main()
