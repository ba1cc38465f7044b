from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from stepiq.core.ids import uuid7
from stepiq.store.connections import faults
from stepiq.store.database import Database, Session
from stepiq.store.statements import rows as many_rows
from stepiq.store.types import Instant, JsonText

WHEN = datetime(2030, 1, 7, 9, 0, 0, 123456, tzinfo=UTC)
TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("number", sa.Integer()),
    sa.Column("is_new", sa.Boolean()),
    sa.Column("name", sa.Text()),
    sa.Column("data", JsonText()),
    sa.Column("at", Instant()),
    sa.Column("kind", sa.Text(), nullable=False, server_default="usual"),
)

PART = sa.Table(
    "parts",
    TABLE.metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("thing_id", sa.Uuid(), sa.ForeignKey("things.id"), nullable=False),
    sa.Column("name", sa.Text()),
)


class Kind(StrEnum):
    ONE = "one"


values = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(-(2**31), 2**31 - 1),
        "is_new": st.none() | st.booleans(),
        "name": st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
        "data": st.none()
        | st.lists(st.none() | st.text("x\\\"',{}\n"), max_size=2)
        | st.dictionaries(st.sampled_from(["a", 'b"', "{c}"]), st.lists(st.booleans()), max_size=2),
        "at": st.none() | st.integers(0, 10**9).map(lambda n: WHEN + timedelta(microseconds=n)),
    }
)


async def create(session: Session, table: sa.Table) -> None:
    dialect = sqlite.dialect() if session.dialect == "sqlite" else postgresql.dialect()
    await session.execute(sa.text(str(CreateTable(table).compile(dialect=dialect))))


@pytest.fixture
async def table(database: Database):
    async with database.transaction() as session:
        await create(session, TABLE)
    return TABLE


async def stored(session: Session) -> list[dict[str, Any]]:
    rows = await session.execute(sa.select(TABLE).order_by(TABLE.c.id))
    return [dict(row._mapping) for row in rows]


class TestInsert:
    @settings(max_examples=40)
    @given(wanted=st.lists(values, max_size=5))
    async def test_all_rows_are_stored_as_they_are(
        self, database: Database, table: sa.Table, wanted: list[dict[str, Any]]
    ):
        rows = [{"id": uuid7(), **row} for row in wanted]
        async with database.transaction() as session:
            await session.execute(table.delete())
            await many_rows.insert(session, table, rows)

            assert await stored(session) == [{**row, "kind": "usual"} for row in rows]

    async def test_members_of_enumerations_are_stored_as_texts(
        self, database: Database, table: sa.Table
    ):
        rows = [{"id": uuid7(), "name": name} for name in (Kind.ONE, "two", None)]
        async with database.transaction() as session:
            await many_rows.insert(session, table, rows)

            assert [row["name"] for row in await stored(session)] == ["one", "two", None]

    async def test_a_row_that_exists_is_an_error(self, database: Database, table: sa.Table):
        rows = [{"id": uuid7(), "number": number} for number in range(3)]

        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await many_rows.insert(session, table, [*rows, rows[0]])

        async with database.reading() as session:
            assert await stored(session) == []

    async def test_a_row_that_exists_can_be_kept(self, database: Database, table: sa.Table):
        rows = [{"id": uuid7(), "number": number} for number in range(3)]
        again = [{**row, "number": 9} for row in rows[:2]]
        async with database.transaction() as session:
            await many_rows.insert(session, table, rows[:1], keeps_existing=True)
            await many_rows.insert(session, table, [*again, rows[2]], keeps_existing=True)

            assert [row["number"] for row in await stored(session)] == [0, 9, 2]


class TestInsertAll:
    @pytest.fixture
    async def part(self, database: Database, table: sa.Table):
        async with database.transaction() as session:
            await create(session, PART)
        return PART

    @pytest.mark.parametrize("parts", [0, 1, 3])
    @pytest.mark.parametrize("things", [1, 2])
    async def test_rows_can_refer_to_rows_of_earlier_parts(
        self, database: Database, table: sa.Table, part: sa.Table, things: int, parts: int
    ):
        rows = [{"id": uuid7(), "name": f"thing {n}"} for n in range(things)]
        of_them = [
            {"id": uuid7(), "thing_id": rows[-1]["id"], "name": f"part {n}"} for n in range(parts)
        ]
        async with database.transaction() as session:
            await many_rows.insert_all(session, (table, rows), (part, of_them))

            assert [row["name"] for row in await stored(session)] == [row["name"] for row in rows]
            found = await session.execute(sa.select(part).order_by(part.c.id))
            assert [dict(row._mapping) for row in found] == of_them

    async def test_a_part_can_be_empty(self, database: Database, table: sa.Table, part: sa.Table):
        thing = {"id": uuid7(), "name": "thing"}
        async with database.transaction() as session:
            await many_rows.insert_all(session, (table, [thing]), (part, []))
            await many_rows.insert_all(
                session, (table, []), (part, [{"id": uuid7(), "thing_id": thing["id"]}])
            )

            assert len(await stored(session)) == 1
            assert len((await session.execute(sa.select(part))).all()) == 1

    async def test_a_row_that_refers_to_nothing_is_an_error(
        self, database: Database, table: sa.Table, part: sa.Table
    ):
        with pytest.raises(IntegrityError) as caught:
            async with database.transaction() as session:
                await many_rows.insert_all(
                    session,
                    (table, [{"id": uuid7()}]),
                    (part, [{"id": uuid7(), "thing_id": uuid7()}]),
                )

        assert faults.refers_to_nothing(caught.value)
        async with database.reading() as session:
            assert await stored(session) == []


class TestExecute:
    @pytest.mark.parametrize("number", [0, 1, 4])
    async def test_each_row_is_changed_by_its_own_values(
        self, database: Database, table: sa.Table, number: int
    ):
        rows = [{"id": uuid7(), "number": n, "at": None} for n in range(5)]
        types = {"row_id": sa.Uuid(), "to_number": sa.Integer(), "to_at": Instant()}
        given_rows = many_rows.given(types).c
        each, together = (
            table.update()
            .where(table.c.id == values["row_id"])
            .values(number=values["to_number"], at=values["to_at"])
            for values in (
                {name: sa.bindparam(name, type_=kind) for name, kind in types.items()},
                {name: given_rows[name] for name in types},
            )
        )
        changes = [
            {"row_id": row["id"], "to_number": row["number"] + 10, "to_at": WHEN}
            for row in rows[:number]
        ]
        async with database.transaction() as session:
            await many_rows.insert(session, table, rows)
            await many_rows.execute(session, each, together, changes)

            found = [(row["number"], row["at"]) for row in await stored(session)]
        assert found == [(n + 10, WHEN) if n < number else (n, None) for n in range(5)]
