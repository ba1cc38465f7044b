"""Runs inside the connection that `store.migrate` opens; there is no other way to call it."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from stepiq.store.tables import metadata
from stepiq.store.types import Instant, JsonText


def _ours(entry: Any, name: str | None, kind: str, reflected: bool, _compared: Any) -> bool:
    # The engine keeps its tables in the same SQLite file; they are its own business.
    return not (kind == "table" and reflected and name not in metadata.tables)


def _render(kind: str, entry: Any, autogenerate: Any) -> str | Literal[False]:
    if kind == "type" and isinstance(entry, Instant | JsonText):
        autogenerate.imports.add("from stepiq.store.types import Instant, JsonText")
        return f"{type(entry).__name__}()"
    return False


def _compare_type(
    _context: Any, _inspected: Any, column: Any, found: sa.types.TypeEngine[Any], wanted: Any
) -> bool | None:
    if isinstance(column.type, Instant):
        return not isinstance(found, sa.BigInteger | sa.DateTime)
    return None


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=_ours,
    render_item=_render,
    compare_type=_compare_type,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
