import sqlite3

import pytest
import sqlalchemy as sa
from starlette.responses import Response

from stepiq.core.errors import Conflict
from stepiq.store.tables import workspaces
from stepiq.web.transactions import Read, Tx
from tests.support.make import Make

pytestmark = pytest.mark.one_store


class Refused(Conflict):
    """This test says no."""

    code = "refused"


async def names(database):
    async with database.reading() as session:
        rows = (await session.execute(sa.select(workspaces.c.name))).all()
    return [row.name for row in rows]


class TestTx:
    async def test_what_was_written_is_durable_before_the_answer_leaves(
        self, app, client, database, make: Make
    ):
        await make.workspace(name="before")
        seen = []

        class Observed(Response):
            async def __call__(self, scope, receive, send):
                seen.extend(await names(database))
                await super().__call__(scope, receive, send)

        async def rename(tx: Tx) -> Response:
            await tx.execute(sa.update(workspaces).values(name="after"))
            tx.after_commit(lambda: seen.append("committed"))
            return Observed()

        app.add_api_route("/rename", rename, methods=["POST"])
        await client.post("/rename")

        assert seen == ["committed", "after"]

    async def test_an_error_rolls_back(self, app, client, database, make: Make):
        await make.workspace(name="before")

        async def rename(tx: Tx) -> None:
            await tx.execute(sa.update(workspaces).values(name="after"))
            raise Refused("No.")

        app.add_api_route("/rename", rename, methods=["POST"])
        response = await client.post("/rename")

        assert response.status_code == 409
        assert await names(database) == ["before"]

    async def test_a_commit_that_fails_is_a_503_and_never_a_success(
        self, app, client, database, make: Make, monkeypatch
    ):
        await make.workspace(name="before")

        async def rename(tx: Tx) -> str:
            await tx.execute(sa.update(workspaces).values(name="after"))

            async def broken():
                raise sqlite3.OperationalError("disk gone")

            monkeypatch.setattr(tx.connection, "commit", broken)
            return "done"

        app.add_api_route("/rename", rename, methods=["POST"])
        response = await client.post("/rename")

        assert response.status_code == 503
        assert response.json()["code"] == "store_unavailable"
        assert 1 <= int(response.headers["Retry-After"]) <= 5
        assert "disk" not in response.text


class TestRead:
    async def test_it_waits_for_no_writer(self, app, client, database, make: Make):
        await make.workspace(name="before")

        async def count(read: Read) -> int:
            return await read.scalar(sa.select(sa.func.count()).select_from(workspaces))

        app.add_api_route("/count", count)
        async with database.transaction() as writing:
            await writing.execute(sa.update(workspaces).values(name="after"))
            response = await client.get("/count")

        assert response.json() == 1
