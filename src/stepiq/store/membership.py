"""Conditions about the members of workspaces, for the queries of all domains.

The row of a removed member stays in `memberships`, so every query of members needs `membership_of`.
"""

from uuid import UUID

import sqlalchemy as sa

from stepiq.store.tables import memberships, users


def membership_of(user_id: sa.ColumnElement[UUID] | UUID) -> sa.ColumnElement[bool]:
    """The condition that a row of `memberships` is the membership of a user who has not been removed."""
    return sa.and_(memberships.c.user_id == user_id, memberships.c.removed_at.is_(None))


def has_enabled_member(workspace_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """The condition that a workspace has a member whose account is enabled. Without one, nothing starts in it."""
    member, user = memberships.alias("member"), users.alias("member_user")
    # Not EXISTS: PostgreSQL may read all members of all workspaces for it, and look the workspace up in the result.
    first = sa.select(member.c.user_id).where(
        member.c.workspace_id == workspace_id,
        member.c.removed_at.is_(None),
        user.c.id == member.c.user_id,
        user.c.disabled_at.is_(None),
    )
    return first.limit(1).scalar_subquery().is_not(None)
