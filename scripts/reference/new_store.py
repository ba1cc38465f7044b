"""The statements that create the tables of a new SQLite database."""

import sqlalchemy as sa

from stepiq.store import migrate

_NOTICE = "-- Generated from the migrations by `make docs`. Do not edit."


def script() -> str:
    """All statements, separated by empty lines, for `stepiq.store.migrate`.

    Raises:
        ValueError: a statement contains an empty line.
    """
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        migrate.upgrade_within(connection)
        dump = list(connection.connection.driver_connection.iterdump())  # pyright: ignore[reportOptionalMemberAccess]
    engine.dispose()
    # The first and the last begin and end a transaction.
    statements = [_in_order(each) for each in dump[1:-1]]
    if any("\n\n" in each for each in statements):
        raise ValueError("A statement contains an empty line.")
    # Tables come before their indexes and rows.
    statements.sort(key=lambda each: (not each.startswith("CREATE TABLE"), each))
    return "\n\n".join([_NOTICE, *statements]) + "\n"


def _in_order(statement: str) -> str:
    """Sort the constraints of a table, because Alembic copies them from a set."""
    lines = [line.rstrip() for line in statement.split("\n")]
    if not statement.startswith("CREATE TABLE"):
        return "\n".join(lines)
    first, *parts, last = lines
    parts = sorted((part.rstrip(",") for part in parts), key=_constraint)
    return "\n".join([first, ",\n".join(parts), last])


def _constraint(part: str) -> str:
    """What constraints are sorted by. Columns keep their order before them."""
    return part if part.startswith("\tCONSTRAINT") else ""
