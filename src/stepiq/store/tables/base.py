"""What every table shares: naming, and the columns and checks that recur."""

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
    """A row has its end time exactly when its status is one of these."""
    listed = ", ".join(f"'{status}'" for status in sorted(final))
    return sa.CheckConstraint(
        f"(status IN ({listed})) = (completed_at IS NOT NULL)", name="ends_when_final"
    )


def identity() -> sa.Column[UUID]:
    """The row's own id."""
    return sa.Column("id", sa.Uuid(), primary_key=True)


def owner() -> sa.Column[UUID]:
    """The workspace that the row belongs to."""
    return sa.Column("workspace_id", sa.Uuid(), sa.ForeignKey("workspaces.id"), nullable=False)


def count(name: str) -> sa.Column[int]:
    """A number that begins at 0."""
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
