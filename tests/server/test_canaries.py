"""A secret leaves only where it was sent: it is looked for in all that a real server says and writes."""

import base64
import json
import secrets
import urllib.parse

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.store.connections import engines
from stepiq.store.database import Database
from tests.support.fake_provider import running_fake_provider
from tests.support.ports import free_port
from tests.support.process import first_account, running_server

PIPELINE = """\
name: Canaries
steps:
  - {id: write, type: transform, template: "{{env.TOKEN}} {{json env.TOKEN}}"}
  - {id: pass_on, type: transform, template: "{{steps.write.output}}"}
  - id: ask
    model: openai/gpt-4o
    prompt: "Use {{env.TOKEN}}; before: {{steps.pass_on.output}}"
    system_prompt: "The password is {{env.PASSWORD}}."
  - {id: json, model: openai/gpt-4o, prompt: "{{env.TOKEN}}", output_schema: {type: object}}
  - id: fail
    model: openai/gpt-4o
    prompt: "{{env.PASSWORD}}"
    retry: {max_attempts: 2}
"""


pytestmark = pytest.mark.both_stores


def ways(secret):
    """What the secret looks like, and its parts that no chance explains."""
    data = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    cores = [
        base64.b64encode(b"x" * before + data).decode()[skip:-4]
        for before, skip in ((0, 0), (1, 2), (2, 3))
    ]
    standard = [secret, secret[4:], escaped, urllib.parse.quote(secret, safe=""), *cores]
    return [*standard, *(core.replace("+", "-").replace("/", "_") for core in cores)]


@pytest.fixture
def canaries():
    return {
        name: f'{secrets.token_hex(8)}/é+"{secrets.token_hex(8)}' for name in ("TOKEN", "PASSWORD")
    } | {"OPENAI_API_KEY": f"sk-own-{secrets.token_hex(16)}"}


@pytest.fixture
async def provider():
    async with running_fake_provider(token_ms=1) as provider:
        yield provider


@pytest.fixture
async def server(settings, provider, tmp_path):
    port = free_port()
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "OPENAI_API_KEY": "sk-of-the-server",
        "OPENAI_BASE_URL": provider.url,
    }
    async with running_server(tmp_path, port, environment) as server:
        yield server


def echoes(canaries):
    """What a model may make of them, one text for each call."""
    token, password = canaries["TOKEN"], canaries["PASSWORD"]
    basic = base64.b64encode(f"user:{password}".encode()).decode()
    url_safe = base64.urlsafe_b64encode(f"ab{token}".encode()).decode()
    quoted = urllib.parse.quote(token, safe="")
    texts = [
        token,
        password,
        basic,
        url_safe,
        quoted,
        json.dumps(token),
        canaries["OPENAI_API_KEY"],
    ]
    return [" and ".join(texts), json.dumps({token: [password, basic, quoted]})]


def rows_of(url):
    engine = engines.create(url)
    try:
        with engine.connect() as connection:
            looking = sa.inspect(connection)
            texts = []
            for schema in looking.get_schema_names():
                for name in looking.get_table_names(schema=schema):
                    table = sa.table(name, schema=schema)
                    rows = connection.execute(sa.select(sa.text("*")).select_from(table)).all()
                    texts += [str(column) for row in rows for column in row]
            return "\n".join(texts)
    finally:
        engine.dispose()


def files_of(folder, when):
    return {
        f"{file} {when}": file.read_bytes().decode("utf-8", "replace")
        for file in folder.rglob("*")
        if file.is_file()
    }


async def hear(client, path):
    async with client.stream("GET", path) as stream:
        return "".join([chunk async for chunk in stream.aiter_text()])


class TestCanaries:
    async def test_they_are_in_nothing_that_the_server_says_or_writes(
        self, server, provider, canaries, settings, tmp_path
    ):
        provider.configure(
            replies=echoes(canaries),
            failures=[200, 200, *({"status": 500, "message": f"{'x' * 270} {canaries}"},) * 2],
        )
        said = []
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            client.headers.update(await first_account(client, tmp_path / "data"))
            yaml = {"Content-Type": "application/yaml"}
            saved = await client.post("/api/pipelines", content=PIPELINE, headers=yaml)
            pipeline = f"/api/pipelines/{saved.json()['id']}"
            for place, name in (
                ("/api/user", "TOKEN"),
                (pipeline, "PASSWORD"),
                ("/api/user", "OPENAI_API_KEY"),
            ):
                body = {"name": name, "value": canaries[name]}
                said.append((await client.post(f"{place}/secrets", json=body)).text)
            run = (await client.post(f"{pipeline}/run", json={})).json()
            path = f"/api/runs/{run['id']}"
            said.append(await hear(client, f"{path}/stream"))
            said.append(await hear(client, f"{path}/stream"))
            for each in (path, "/api/runs", pipeline, "/api/user/secrets", f"{pipeline}/secrets"):
                said.append((await client.get(each)).text)
            ended = (await client.get(path)).json()
        # With the log of writes that the database has not taken in yet.
        places = files_of(tmp_path, "while it runs")
        assert await server.terminate() == 0

        assert [step["status"] for step in ended["steps"]] == ["completed"] * 4 + ["failed"]
        sent = json.dumps([record.body for record in provider.requests], ensure_ascii=False)
        assert all(
            json.dumps(canaries[name], ensure_ascii=False)[1:-1] in sent
            for name in ("TOKEN", "PASSWORD")
        )
        assert provider.requests[0].authorization == f"Bearer {canaries['OPENAI_API_KEY']}"
        assert "[secret:TOKEN]" in said[-1] + str(ended)
        places |= {"said": "\n".join(said), **files_of(tmp_path, "at the end")}
        places["rows"] = rows_of(Database(settings).url)
        # The search finds what is there.
        assert "[secret:TOKEN]" in places["rows"]
        found = [
            (place, name)
            for place, text in places.items()
            for name, canary in canaries.items()
            for way in ways(canary)
            if way in text or json.dumps(way)[1:-1] in text
        ]
        assert found == []
