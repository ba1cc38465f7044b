"""Revoke the personal keys of former members.

These keys have expired, because removing a member has revoked the others. They count for the plan until they are
revoked, and only their owner could do that.
"""

import sqlalchemy as sa
from alembic import op

from stepiq.core import clock
from stepiq.store.types import Instant

revision = "202611301345"
down_revision = "202611301340"
branch_labels = None
depends_on = None


def upgrade() -> None:
    keys = sa.table(
        "api_keys",
        sa.column("workspace_id"),
        sa.column("user_id"),
        sa.column("kind"),
        sa.column("revoked_at", Instant()),
    )
    members = sa.table(
        "memberships", sa.column("workspace_id"), sa.column("user_id"), sa.column("removed_at")
    )
    is_member = sa.exists().where(
        members.c.workspace_id == keys.c.workspace_id,
        members.c.user_id == keys.c.user_id,
        members.c.removed_at.is_(None),
    )
    op.execute(
        keys.update()
        .where(keys.c.kind == "personal", keys.c.revoked_at.is_(None), ~is_member)
        .values(revoked_at=clock.now())
    )


def downgrade() -> None:
    pass
