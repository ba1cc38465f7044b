"""The commands of Dockerfile and compose.yaml, as processes on this machine: PostgreSQL, an API and two workers."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.docs.pages import blocks, read
from tests.support import postgres
from tests.support.containers import compose, image, seconds
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.forked_programs import programs
from tests.support.ports import free_port
from tests.support.process import config_file

PIPELINE = """\
name: Chain
steps:
  - {id: first, model: openai/gpt-4o-mini, prompt: First}
  - {id: second, model: openai/gpt-4o-mini, prompt: Second}
"""
PASSWORD = "correct horse battery"
PATIENCE_SECONDS = 120


@dataclass
class Container:
    """A service's process: the image's command and environment with the service's own."""

    name: str
    command: list[str]
    environment: dict[str, str]
    grace_seconds: float
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, cwd="/", env=self.environment, stdout=log, stderr=log
            )

    async def ended(self) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    async def healthy(self) -> None:
        """Until the image's health check succeeds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.check() != 0:
                assert self.process is not None
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.5)

    async def check(self) -> int:
        check = await asyncio.create_subprocess_exec(
            *image().healthcheck, env=self.environment, stderr=asyncio.subprocess.DEVNULL
        )
        return await check.wait()

    async def stop(self) -> int:
        """As `docker stop` does: SIGTERM, and no longer than the grace period."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), self.grace_seconds)


@dataclass
class Project:
    """compose.yaml on this machine: other ports, a folder for the volume, the suite's PostgreSQL for the database."""

    folder: Path
    database: URL
    variables: dict[str, str]
    more: dict[str, str] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.services: dict[str, Any] = compose(self.variables)["services"]

    def container(self, service: str, number: int = 1) -> Container:
        said = self.services[service]
        command = [*image().entrypoint, *(said.get("command") or image().command)]
        # The image has its programs on PATH, as this environment has.
        environment = {**image().environment, **said["environment"], **self.more}
        environment["PATH"] = f"{programs()}:{os.environ['PATH']}"
        environment["STEPIQ_DATABASE_URL"] = self._here(environment["STEPIQ_DATABASE_URL"])
        environment["STEPIQ_HOST"] = "127.0.0.1"
        # The suite's PostgreSQL has nothing to lose.
        environment["STEPIQ_ALLOW_UNSAFE_STORE"] = "true"
        environment["STEPIQ_DATA_DIR"] = str(self.folder / "data")
        environment["STEPIQ_CONFIG_FILE"] = config_file(self.folder)
        environment["STEPIQ_PORT"] = str(free_port())
        if "STEPIQ_WORKER_PORT" in environment:
            environment["STEPIQ_WORKER_PORT"] = str(free_port())
        grace = seconds(said["stop_grace_period"])
        log = self.folder / f"{service}-{number}.log"
        made = Container(f"{service}-{number}", command, environment, grace, log)
        self.containers.append(made)
        return made

    def _here(self, url: str) -> str:
        meant = make_url(url)
        assert (meant.host, meant.port) == ("postgres", 5432)
        here = meant.set(
            host=self.database.host, port=self.database.port, database=self.database.database
        )
        return here.render_as_string(hide_password=False)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """What the guide has people put into `.env`."""
    subprocess.run(
        ["sh", "-eu", "-c", blocks(read("docs/docker.md"), "sh")[0]], cwd=tmp_path, check=True
    )
    return dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())


@pytest.fixture
def database(variables: dict[str, str]) -> Iterator[URL]:
    """An empty database of the user that compose.yaml makes, as the image of PostgreSQL makes it."""
    said = compose(variables)["services"]["postgres"]["environment"]
    server = make_url(postgres.shared_url(Path(os.environ["STEPIQ_TEST_RUN_FOLDER"])))
    admin = server.set(database="postgres").render_as_string(hide_password=False)
    name, user = f"test_{uuid4().hex}", sql.Identifier(said["POSTGRES_USER"])
    with psycopg.connect(admin, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [said["POSTGRES_USER"]])  # fmt: skip
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(user))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), user))  # fmt: skip
    yield server.set(database=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


@pytest.fixture
async def project(
    tmp_path: Path, database: URL, variables: dict[str, str], provider: RunningFakeProvider
) -> AsyncIterator[Project]:
    asked = {"OPENAI_API_KEY": "sk-test-0123456789", "OPENAI_BASE_URL": provider.url}
    project = Project(tmp_path, database, variables, asked)
    yield project
    for container in project.containers:
        if container.process is not None:
            with suppress(ProcessLookupError):
                container.process.kill()
            await container.process.wait()


async def started(project: Project) -> tuple[Container, list[Container]]:
    """`docker compose up`: the database answers, it is migrated, and then the others start."""
    check = project.services["postgres"]["healthcheck"]["test"][1:]
    reached = {"PGHOST": str(project.database.host), "PGPORT": str(project.database.port)}
    asked = await asyncio.create_subprocess_exec(
        postgres.find(check[0]), *check[1:], env=reached, stdout=asyncio.subprocess.DEVNULL
    )
    assert await asked.wait() == 0
    migrate = project.container("migrate")
    await migrate.start()
    assert await migrate.ended() == 0, migrate.log.read_text()
    api = project.container("api")
    replicas = project.services["worker"]["deploy"]["replicas"]
    workers = [project.container("worker", number) for number in range(1, replicas + 1)]
    for container in (api, *workers):
        await container.start()
    for container in (api, *workers):
        await container.healthy()
    return api, workers


@asynccontextmanager
async def logged_in(api: Container) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the account that the guide has people make with `docker compose exec`."""
    command = [*image().entrypoint, "users", "create", "you@example.com", "--password-stdin"]
    made = await asyncio.create_subprocess_exec(
        *command, env=api.environment, stdin=asyncio.subprocess.PIPE
    )
    await made.communicate(PASSWORD.encode())
    assert made.returncode == 0
    url = f"http://127.0.0.1:{api.environment['STEPIQ_PORT']}"
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        body = {"email": "you@example.com", "password": PASSWORD}
        answer = await client.post("/api/auth/login", json=body)
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client


async def ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    async with client.stream("GET", f"/api/runs/{run_id}/stream") as answer:
        await answer.aread()
    return (await client.get(f"/api/runs/{run_id}")).json()


async def scraped(container: Container) -> dict[str, float]:
    """What Prometheus reads from a container, with the token that it has."""
    variable = "STEPIQ_WORKER_PORT" if container.name.startswith("worker") else "STEPIQ_PORT"
    bearer = {"Authorization": f"Bearer {container.environment['STEPIQ_METRICS_TOKEN']}"}
    async with httpx2.AsyncClient(timeout=30) as client:
        url = f"http://127.0.0.1:{container.environment[variable]}/metrics"
        text = (await client.get(url, headers=bearer)).text
    return {
        f"{sample.name} {sample.labels.get('work', '')}".strip(): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
class TestUp:
    async def test_runs_complete_and_a_stopped_container_finishes_what_it_has(
        self, project: Project, provider: RunningFakeProvider
    ):
        api, workers = await started(project)
        async with logged_in(api) as client:
            yaml = {"Content-Type": "application/yaml"}
            made = await client.post("/api/pipelines", content=PIPELINE, headers=yaml)
            start = f"/api/pipelines/{made.json()['id']}/run"
            first = await ended(client, (await client.post(start, json={})).json()["id"])
            ready = [(await scraped(each))["stepiq_worker_ready"] for each in (api, *workers)]

            provider.configure(latency_ms=3000)
            run_id = (await client.post(start, json={})).json()["id"]
            await provider.next_request(3)
            busy = [each for each in workers if await in_hand(each)]
            stopped = [await each.stop() for each in busy]
            second = (await client.get(f"/api/runs/{run_id}")).json()

            provider.configure(latency_ms=0)
            third = await ended(client, (await client.post(start, json={})).json()["id"])

        assert [run["status"] for run in (first, second, third)] == ["completed"] * 3
        assert ready == [0, 1, 1]
        assert stopped == [0]
        keys = [request.headers["idempotency-key"] for request in provider.requests]
        assert len(keys) == len(set(keys)) == 6
        for container in (api, *(each for each in workers if each not in busy)):
            assert await container.stop() == 0


async def in_hand(worker: Container) -> float:
    return (await scraped(worker)).get("stepiq_tickets_in_hand run", 0)
