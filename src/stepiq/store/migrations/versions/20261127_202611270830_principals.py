"""Record what the caller of an idempotent request acted as, and the addresses of removed members as digests.

The new indexes let an erasure find the rows of a workspace, and a deletion those of a user.
"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "202611270830"
down_revision = "202611270715"
branch_labels = None
depends_on = None

_INDEXES = (
    ("sessions", "workspace_id"),
    ("pipeline_versions", "workspace_id"),
    ("drafts", "user_id"),
    ("api_keys", "user_id"),
)

_MEMBERSHIPS = sa.table(
    "memberships",
    sa.column("workspace_id", sa.Uuid()),
    sa.column("user_id", sa.Uuid()),
    sa.column("removed_at"),
    sa.column("address_digest", sa.LargeBinary()),
)
_USERS = sa.table("users", sa.column("id", sa.Uuid()), sa.column("email"))


def upgrade() -> None:
    op.add_column("idempotent_requests", sa.Column("principal_id", sa.Uuid(), nullable=True))
    op.add_column("memberships", sa.Column("address_digest", sa.LargeBinary(32), nullable=True))
    for table, column in _INDEXES:
        op.create_index(f"ix_{table}_{column}", table, [column])
    _record_addresses(op.get_bind())


def _record_addresses(connection: sa.Connection) -> None:
    """Record the addresses of members who were removed before."""
    removed = connection.execute(
        sa.select(_MEMBERSHIPS.c.workspace_id, _USERS.c.id, _USERS.c.email)
        .join(_USERS, _USERS.c.id == _MEMBERSHIPS.c.user_id)
        .where(_MEMBERSHIPS.c.removed_at.is_not(None))
    ).all()
    for workspace_id, user_id, email in removed:
        connection.execute(
            sa.update(_MEMBERSHIPS)
            .where(_MEMBERSHIPS.c.workspace_id == workspace_id, _MEMBERSHIPS.c.user_id == user_id)
            .values(address_digest=hashlib.sha256(user_id.bytes + email.encode()).digest())
        )


def downgrade() -> None:
    for table, column in _INDEXES:
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_column("memberships", "address_digest")
    op.drop_column("idempotent_requests", "principal_id")
