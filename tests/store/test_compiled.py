"""Statements as SQL with positional values."""

from uuid import uuid4

import pytest
import sqlalchemy as sa

from stepiq.store.compiled import StatementCache, statement_cache
from stepiq.store.tables import runs


@pytest.fixture(params=["sqlite", "postgresql"])
def cache(request: pytest.FixtureRequest) -> StatementCache:
    return statement_cache(is_sqlite=request.param == "sqlite")


def bound(cache: StatementCache, statement: sa.Executable, **values: object):
    compiled, literals = cache.find(statement, tuple(values), is_many=False)
    return compiled.bound(values, literals)


class TestBound:
    def test_statements_of_one_form_have_the_same_sql_and_their_own_values(
        self, cache: StatementCache
    ):
        one, other = (
            bound(cache, sa.select(runs.c.id).where(runs.c.only_step == name, runs.c.claim > 2))
            for name in ("one", "other")
        )

        assert one[0] is other[0]
        assert (one[1], other[1]) == (["one", 2], ["other", 2])

    def test_a_value_by_name_replaces_no_literal(self, cache: StatementCache):
        statement = sa.select(runs.c.id).where(
            runs.c.only_step == sa.bindparam("step"), runs.c.claim > 2
        )

        assert [bound(cache, statement, step=name)[1] for name in "ab"] == [["a", 2], ["b", 2]]

    def test_a_missing_value_is_an_error(self, cache: StatementCache):
        with pytest.raises(KeyError, match="step"):
            bound(cache, sa.select(runs.c.id).where(runs.c.only_step == sa.bindparam("step")))

    @pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 200])
    def test_a_list_has_a_parameter_for_each_element(self, cache: StatementCache, length: int):
        names = [f"step {number}" for number in range(length)]
        statement = sa.select(runs.c.id).where(
            runs.c.claim > 2, runs.c.only_step.in_(names), runs.c.status.in_(["failed"])
        )

        sql, values = bound(cache, statement)

        assert list(dict.fromkeys(values)) == [2, *names, "failed"]
        assert sql.count("?") in (len(values), 0)

    def test_lists_of_similar_lengths_have_the_same_sql(self, cache: StatementCache):
        statement = sa.select(runs.c.id).where(runs.c.id.in_(sa.bindparam("ids", expanding=True)))

        found = {bound(cache, statement, ids=[uuid4() for _ in range(n)])[0] for n in range(33, 65)}

        assert len(found) == 1
