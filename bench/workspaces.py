"""Accounts, databases and schedules of benchmarks with many workspaces."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import sqlalchemy as sa
from client import Connection
from psycopg import sql

from stepiq.accounts.signing_in.registration import setup_token
from stepiq.core import ids
from stepiq.store.database import Database
from stepiq.store.tables import memberships, schedules, workspaces

PASSWORD = "only for this run"
STARTED = {"completed", "failed", "waiting"}
EXPRESSIONS = ("0 9 * * *", "15 4 * * 0", "0 9 * * 1-5", "30 6 1 * *")


@dataclass
class Workspace:
    """An account, the pipelines it needs, and the client address that it appears to have."""

    url: str
    number: int
    token: str
    id: UUID
    user_id: UUID

    def connection(self) -> Connection:
        bearer, client = f"Bearer {self.token}", address(self.number)
        return Connection(self.url, authorization=bearer, x_forwarded_for=client)

    async def pipeline(self, name: str, step: str) -> str:
        return await self.save(
            f"name: '{name}'\ninput: {{schema: {{items: {{type: array, default: []}}}}}}\nsteps:\n  - {step}\n"
        )

    async def save(self, source: str) -> str:
        connection = self.connection()
        status, saved = await connection.request(
            "POST", "/api/pipelines", source, "application/yaml"
        )
        if status != 201:
            raise SystemExit(f"A pipeline was refused: {json.dumps(saved)}\n{source[:200]}")
        connection.close()
        return saved["id"]

    async def secret(self, name: str, value: str) -> None:
        connection = self.connection()
        body = {"name": name, "value": value}
        status, answer = await connection.request("POST", "/api/user/secrets", body)
        if status not in (200, 201):
            raise SystemExit(f"A secret was refused with {status}: {answer}")
        connection.close()

    async def run(self, pipeline_id: str, items: list[str] | None = None) -> tuple[int, str]:
        body = {"input_data": {"items": items or []}}
        status, answer = await self.connection().request(
            "POST", f"/api/pipelines/{pipeline_id}/run", body
        )
        return status, answer.get("id", "")


def address(number: int) -> str:
    return f"198.51.100.{number}"


@contextmanager
def new_database(database_url: str) -> Iterator[str]:
    """URL of an empty database on the PostgreSQL server of `database_url`, deleted afterwards. Empty for SQLite."""
    if not database_url:
        yield ""
        return
    name = f"stepiq_bench_{uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield sa.make_url(database_url).set(database=name).render_as_string(hide_password=False)
        finally:
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(statement)


async def register(url: str, store: Database, folder: Path, number: int) -> Workspace:
    login = {"email": f"w{number}@example.com", "password": PASSWORD}
    if number == 0:
        login["setup_token"] = setup_token((folder / "jwt.key").read_bytes().strip())
    connection = Connection(url, x_forwarded_for=address(number))
    status, account = await connection.request("POST", "/api/auth/register", login)
    if status != 201:
        raise SystemExit(f"Account {number} was refused: {account}")
    connection.close()
    user_id = UUID(account["user"]["id"])
    async with store.transaction() as session:
        statement = memberships.select().where(memberships.c.user_id == user_id)
        workspace_id = (await session.execute(statement)).one().workspace_id
        await session.execute(
            workspaces.update().where(workspaces.c.id == workspace_id).values(plan="unlimited")
        )
    return Workspace(url, number, account["token"], workspace_id, user_id)


async def until_none_is_due(store: Database, due: datetime) -> float:
    """Seconds from `due` until all schedules that were due then have started their runs."""
    statement = sa.select(schedules.c.id).where(schedules.c.next_run_at == due).limit(1)
    while True:
        async with store.reading() as session:
            if await session.scalar(statement) is None:
                return (datetime.now(UTC) - due).total_seconds()
        await asyncio.sleep(0.2)


async def add_schedules(
    store: Database,
    workspace: Workspace,
    pipeline_id: str,
    due: datetime,
    count: int,
    expressions: tuple[str, ...] = EXPRESSIONS,
) -> None:
    row = {
        "workspace_id": workspace.id,
        "pipeline_id": UUID(pipeline_id),
        "created_by": workspace.user_id,
        "name": "Scheduled",
        "timezone": "UTC",
        "input_data": {"items": []},
        "enabled": True,
        "overlap": "allow",
        "catch_up": "none",
        "next_run_at": due,
        "created_at": due,
        "updated_at": due,
    }
    async with store.transaction() as session:
        rows = [
            {**row, "id": ids.uuid7(), "cron_expression": expressions[number % len(expressions)]}
            for number in range(count)
        ]
        await session.execute(schedules.insert(), rows)


async def until_started(workspace: Workspace, pipeline_id: str) -> float:
    """Seconds until the only step has done its work, or waits for a person or a time."""
    connection = workspace.connection()
    begun = time.perf_counter()
    _, accepted = await connection.request(
        "POST", f"/api/pipelines/{pipeline_id}/run", {"input_data": {}}
    )
    while True:
        _, run = await connection.request("GET", f"/api/runs/{accepted['id']}")
        if run["status"] in STARTED:
            break
        await asyncio.sleep(0.02)
    took = time.perf_counter() - begun
    if run["status"] == "failed":
        raise SystemExit(f"A run of the bystander failed: {run['error']}")
    connection.close()
    return took


async def log_in(workspace: Workspace) -> float:
    connection = Connection(workspace.url, x_forwarded_for=address(workspace.number))
    begun = time.perf_counter()
    login = {"email": f"w{workspace.number}@example.com", "password": PASSWORD}
    status, _ = await connection.request("POST", "/api/auth/login", login)
    took = time.perf_counter() - begun
    connection.close()
    return took if status == 200 else float("inf")
