from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from stepiq.core import json
from stepiq.store.connections import engines
from stepiq.store.types import Instant, JsonText

_NUMBERS = count(1)
_NOTES = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("at", Instant()),
    sa.Column("value", JsonText()),
)
_MOMENTS = st.timedeltas(timedelta(days=-40_000), timedelta(days=400_000)).map(
    lambda since: datetime(1970, 1, 1, tzinfo=UTC) + since
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab\x00é😀"), inner),
    max_leaves=10,
)
on_one_connection = settings(
    max_examples=60,
    deadline=None,
)


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    engine = engines.create(make_url(database_url))
    with engine.connect() as connection:
        _NOTES.create(connection)
        yield connection
    engine.dispose()


def _kept(connection: sa.Connection, **values: Any) -> Any:
    number = next(_NUMBERS)
    connection.execute(_NOTES.insert().values(id=number, **values))
    return connection.execute(sa.select(_NOTES).where(_NOTES.c.id == number)).one()


class TestInstant:
    @on_one_connection
    @given(at=_MOMENTS)
    def test_it_comes_back_to_the_microsecond_in_utc(self, connection, at):
        found = _kept(connection, at=at).at

        assert found == at
        assert found.utcoffset() == timedelta(0)

    @on_one_connection
    @given(st.lists(_MOMENTS, min_size=2, max_size=5, unique=True))
    def test_the_store_sorts_as_time_does(self, connection, moments):
        connection.execute(_NOTES.delete())
        connection.execute(
            _NOTES.insert(), [{"id": next(_NUMBERS), "at": moment} for moment in moments]
        )

        found = connection.scalars(sa.select(_NOTES.c.at).order_by(_NOTES.c.at)).all()

        assert found == sorted(moments)

    def test_an_instant_of_another_time_zone_is_the_same_instant(self, connection):
        at = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))

        assert _kept(connection, at=at).at == at

    def test_none_stays_none(self, connection):
        assert _kept(connection, at=None).at is None


class TestJsonText:
    @on_one_connection
    @given(value=_VALUES)
    def test_a_value_comes_back_as_it_was(self, connection, value):
        found = _kept(connection, value=value).value

        # Compared as text, for 1 == 1.0 == True, and dictionaries compare without their order.
        assert json.dumps(found) == json.dumps(value)

    def test_names_keep_their_order(self, connection):
        assert list(_kept(connection, value={"b": 1, "a": 2, "c": 3}).value) == ["b", "a", "c"]

    def test_the_character_that_postgresql_cannot_keep_is_kept(self, connection):
        assert _kept(connection, value={"a\x00b": "\x00"}).value == {"a\x00b": "\x00"}

    def test_half_of_a_character_is_replaced(self, connection):
        assert _kept(connection, value={"a\ud800": ["\udfff"]}).value == {"a\ufffd": ["\ufffd"]}

    def test_null_is_null_in_the_database(self, connection):
        number = _kept(connection, value=None).id

        assert connection.scalar(
            sa.select(sa.func.count()).where(_NOTES.c.id == number, _NOTES.c.value.is_(None))
        )
