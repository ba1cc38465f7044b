"""Record what the caller of an idempotent request acted as, and the addresses of removed members as digests.

The new indexes let an erasure find the rows of a workspace, and a deletion those of a user.
"""

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


def upgrade() -> None:
    op.add_column("idempotent_requests", sa.Column("principal_id", sa.Uuid(), nullable=True))
    op.add_column("memberships", sa.Column("address_digest", sa.LargeBinary(32), nullable=True))
    for table, column in _INDEXES:
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table, column in _INDEXES:
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_column("memberships", "address_digest")
    op.drop_column("idempotent_requests", "principal_id")
