"""Naming conventions, and columns and checks that several tables use."""

from uuid import UUID

import sqlalchemy as sa

from stepiq.store.states import RunStatus, StepStatus

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def ends_when_final(final: frozenset[StepStatus] | frozenset[RunStatus]) -> sa.CheckConstraint:
    """A check that a row has an end time exactly if its status is one of `final`."""
    listed = ", ".join(f"'{status}'" for status in sorted(final))
    return sa.CheckConstraint(
        f"(status IN ({listed})) = (completed_at IS NOT NULL)", name="ends_when_final"
    )


def identity() -> sa.Column[UUID]:
    """The primary key column of a row's id."""
    return sa.Column("id", sa.Uuid(), primary_key=True)


def owner() -> sa.Column[UUID]:
    """The column of the workspace that owns the row."""
    return sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), nullable=False)


def count(name: str) -> sa.Column[int]:
    """A counter column that starts at 0."""
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def name_folded() -> sa.Column[str]:
    """The column for `store.types.fold` of the name, for searches."""
    return sa.Column("name_folded", sa.Text(), nullable=False)
