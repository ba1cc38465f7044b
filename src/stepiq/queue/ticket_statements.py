"""The SQL of tickets in the tables of the durable queue (DBOS Transact), by dialect."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

# On PostgreSQL the library has its own schema; on SQLite it shares the database with stepIQ's tables.
_SCHEMAS = {"sqlite": "", "postgresql": "dbos."}
_LEAST = {"sqlite": "min", "postgresql": "LEAST"}
_GREATEST = {"sqlite": "max", "postgresql": "GREATEST"}
# The first entry of the partial index of tickets in flight. SQLite uses that index only with the second condition on
# the status.
_LOWEST = """\
COALESCE((
    SELECT waiting.priority FROM {schema}workflow_status AS waiting
    WHERE waiting.queue_name = {queue}
    AND waiting.status = 'ENQUEUED' AND waiting.status IN ('ENQUEUED', 'PENDING')
    ORDER BY waiting.priority LIMIT 1
), {otherwise})"""
# If a lane is never empty, priorities may reach the limit of the column. Then the oldest tickets go first.
_LIMIT = 2_147_483_647
# Other columns have defaults.
_STATUS = """\
(
    workflow_uuid, name, queue_name, priority, creator_xid, application_version,
    status, serialization, recovery_attempts, attributes, is_debounced
) {rows} ON CONFLICT (workflow_uuid) DO NOTHING"""
_STATUS_VALUES = """\
{id}, {name}, {queue}, {priority}, {creator}, {version}, 'ENQUEUED', 'portable_json', 0, 'null', false"""
_INPUT = "(workflow_uuid, inputs) {rows} ON CONFLICT (workflow_uuid) DO NOTHING"
_INPUT_VALUES = "{id}, {inputs}"
_FIELDS = ("id", "name", "queue", "position", "otherwise", "creator", "version", "inputs")

# The update that the library makes to recover a ticket, for all tickets of a lane in one statement. With a priority below
# all waiting tickets, they would let new tickets overtake these. With the same priority, they go first by their age.
_TAKE_BACK = """\
workflow_status SET status = 'ENQUEUED', owner_xid = NULL, started_at_epoch_ms = NULL, priority = {priority}
WHERE queue_name = :queue AND status = 'PENDING' AND status IN ('ENQUEUED', 'PENDING')
AND executor_id IN :executors"""
_CLAIMED = """\
workflow_uuid FROM {schema}workflow_status
WHERE status = 'PENDING' AND status IN ('ENQUEUED', 'PENDING') AND executor_id = :executor"""
_STATUSES_OF = "workflow_status WHERE workflow_uuid IN :ids"
_INPUTS_OF = "workflow_input WHERE workflow_uuid IN :ids"
_LOST = "workflow_status WHERE workflow_uuid IN :ids AND NOT (status = 'PENDING' AND executor_id = :executor)"
_HOLDERS = """\
SELECT executor_id FROM {schema}workflow_status WHERE status = 'PENDING' AND executor_id IS NOT NULL
UNION SELECT executor FROM runs WHERE executor IS NOT NULL AND status = 'running'"""
_IS_WAITING = """\
EXISTS (
    SELECT 1 FROM {schema}workflow_status
    WHERE queue_name IN ({lanes}) AND status = 'ENQUEUED' AND status IN ('ENQUEUED', 'PENDING')
)"""


def _insert_each(dialect: str, schema: str) -> tuple[str, str]:
    """Insert both rows of the ticket in the parameters."""
    fields = {name: f":{name}" for name in _FIELDS}
    return _insert(dialect, schema, fields, "VALUES ({values})")


def _insert_together(schema: str) -> tuple[str, str]:
    """Insert both rows of all tickets, whose fields are in arrays; see `store.statements.rows`.

    None of them sees the others: `otherwise` is what the lowest priority is if the lane was empty.
    """
    fields = {name: f"given.{name}" for name in _FIELDS}
    arrays = ", ".join(f"CAST(:all_{name} AS text[])" for name in _FIELDS)
    rows = f"SELECT {{values}} FROM unnest({arrays}) AS given ({', '.join(_FIELDS)})"  # noqa: S608 - constants
    return _insert("postgresql", schema, fields, rows)


def _insert(dialect: str, schema: str, fields: Mapping[str, str], rows: str) -> tuple[str, str]:
    position, otherwise = (f"CAST({fields[name]} AS BIGINT)" for name in ("position", "otherwise"))
    lowest = _LOWEST.format(schema=schema, queue=fields["queue"], otherwise=otherwise)
    priority = f"{_LEAST[dialect]}(CAST({lowest} AS BIGINT) + {position}, {_LIMIT})"
    statuses, inputs = (
        rows.format(values=values.format(priority=priority, **fields))
        for values in (_STATUS_VALUES, _INPUT_VALUES)
    )
    return (
        f"INSERT INTO {schema}workflow_status {_STATUS.format(rows=statuses)}",
        f"INSERT INTO {schema}workflow_input {_INPUT.format(rows=inputs)}",
    )


def _in_one(first: str, second: str) -> sa.TextClause:
    return sa.text(f"WITH first AS ({first}) {second}")


def _take_back(dialect: str, schema: str) -> sa.TextClause:
    priority = f"{_GREATEST[dialect]}(priority, {_LOWEST.format(schema=schema, queue=':queue', otherwise='0')})"
    return sa.text(f"UPDATE {schema}{_TAKE_BACK.format(priority=priority)}").bindparams(
        sa.bindparam("executors", expanding=True)
    )


def _take_back_some(statement: sa.TextClause) -> sa.TextClause:
    return sa.text(f"{statement.text} AND workflow_uuid IN :ids").bindparams(
        sa.bindparam("executors", expanding=True), sa.bindparam("ids", expanding=True)
    )


INSERT = {
    "sqlite": tuple(sa.text(each) for each in _insert_each("sqlite", _SCHEMAS["sqlite"])),
    "postgresql": (_in_one(*_insert_each("postgresql", _SCHEMAS["postgresql"])),),
}
"""The rows of a ticket."""
INSERT_TOGETHER = _in_one(*_insert_together(_SCHEMAS["postgresql"]))
"""The rows of several tickets. On PostgreSQL only."""
TAKE_BACK = {dialect: _take_back(dialect, schema) for dialect, schema in _SCHEMAS.items()}
"""Return the tickets of `:executors` in the lane `:queue` to that lane."""
TAKE_BACK_SOME = {dialect: _take_back_some(all_) for dialect, all_ in TAKE_BACK.items()}
"""The same, only for the tickets `:ids`."""
SELECT_CLAIMED = {
    dialect: sa.text(f"SELECT {_CLAIMED.format(schema=schema)}")
    for dialect, schema in _SCHEMAS.items()
}
"""Tickets that `:executor` has claimed."""
DELETE = {
    dialect: tuple(
        sa.text(f"DELETE FROM {schema}{rows}").bindparams(sa.bindparam("ids", expanding=True))  # noqa: S608 - constants
        for rows in (_STATUSES_OF, _INPUTS_OF)
    )
    for dialect, schema in _SCHEMAS.items()
}
"""Both rows of the tickets `:ids`."""
SELECT_LOST = sa.text(f"SELECT workflow_uuid FROM dbos.{_LOST}").bindparams(  # noqa: S608 - a constant
    sa.bindparam("ids", expanding=True)
)
"""Those of the tickets `:ids` that `:executor` no longer holds. On PostgreSQL only."""
SELECT_HOLDERS = {
    dialect: sa.text(_HOLDERS.format(schema=schema)) for dialect, schema in _SCHEMAS.items()
}
"""Executors that hold tickets, or that execute runs without one."""


def is_waiting(dialect: str, lanes: Sequence[str]) -> str:
    """A condition: whether a ticket waits in one of these lanes."""
    quoted = ", ".join(f"'{lane}'" for lane in lanes)
    return _IS_WAITING.format(schema=_SCHEMAS[dialect], lanes=quoted)
