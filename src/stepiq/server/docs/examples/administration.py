"""Examples of the administration of users and workspaces."""

from typing import Any, Final

from stepiq.server.docs.examples.shared import CREATED, USER

WORKSPACE: Final = "0192f0c0-9e2c-7f31-8d45-6c1b2e7a9d09"

_USER: Final[dict[str, Any]] = {
    "id": USER,
    "email": "ada@example.com",
    "email_verified": True,
    "name": "Ada",
    "plan": "starter",
    "workspaces": 1,
    "is_admin": False,
    "disabled": True,
    "created_at": CREATED,
}
_MEMBERSHIP: Final[dict[str, Any]] = {
    "id": WORKSPACE,
    "name": "Ada",
    "role": "owner",
    "members": 1,
    "owners": 1,
}
_USAGE: Final[dict[str, Any]] = {
    "runs": 112,
    "tokens": 240_318,
    "credits_used": 240,
    "cost_usd_micros": 61_204,
    "cost_complete": True,
}
_WORKSPACE: Final[dict[str, Any]] = {
    "id": WORKSPACE,
    "name": "Ada",
    "plan": "starter",
    "overrides": {"runs_per_day": 200},
    "members": 1,
    "usage": _USAGE,
    "created_at": CREATED,
    "deleted_at": None,
}
_MEMBER: Final[dict[str, Any]] = {
    "id": USER,
    "email": "ada@example.com",
    "name": "Ada",
    "role": "owner",
    "disabled": False,
}

SHAPES: Final[dict[str, Any]] = {
    "AdminUser": _USER,
    "AdminUserDetail": _USER
    | {"memberships": [_MEMBERSHIP], "sessions": 0, "api_keys": 2, "two_factor": True},
    "UserChange": {"disabled": True},
    "UserWorkspace": _MEMBERSHIP,
    "AdminWorkspace": _WORKSPACE,
    "AdminWorkspaceDetail": _WORKSPACE
    | {"limits": {"runs_per_day": 200, "cron": True}, "member_list": [_MEMBER]},
    "AdminMember": _MEMBER,
    "Plan": {"name": "starter", "limits": {"runs_per_day": 100, "cron": True}},
    "WorkspaceChange": {"limits": {"runs_per_day": 200}},
    "WorkspaceUsage": _USAGE,
}
