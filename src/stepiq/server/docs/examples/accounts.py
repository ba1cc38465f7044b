"""Examples of accounts, keys, secrets, usage and administration, and the ids and times that all examples share."""

from typing import Any, Final

PIPELINE: Final = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"
RUN: Final = "0192f0c5-1d3a-7b10-8c44-2f6f3a9e7d01"
STEP: Final = "0192f0c5-1d3b-7c22-b1d9-6a0c4e5f7a02"
OPERATION: Final = "0192f0c5-1d3c-7d8f-8e21-5b1c9d7f3a08"
SCHEDULE: Final = "0192f0c7-52aa-7e31-9f0e-51b7c2d8e903"
KEY: Final = "0192f0c8-0f4e-7d43-8a6b-7e1d9b3c5f04"
STORED: Final = "0192f0c9-3b6d-7a54-9c7d-8f2e0a4d6b05"
DELIVERY: Final = "0192f0c5-2a10-7f65-ad8e-903f1b5e7c06"
WORKSPACE: Final = "0192f0c0-9e2b-7b76-be9f-a1402c6f8d08"
USER: Final = "0192f0c0-9e2b-7b76-be9f-a1402c6f8d07"

CREATED: Final = "2026-02-27T09:58:12.031Z"
ACCEPTED: Final = "2026-02-27T10:00:00.000Z"
STARTED: Final = "2026-02-27T10:00:00.018Z"
ENDED: Final = "2026-02-27T10:00:04.212Z"
SENT: Final = "2026-02-27T10:00:04.240Z"

INPUT: Final = {"topic": "AI agents", "language": "en"}


_KEY_SHOWN: Final[dict[str, Any]] = {
    "id": KEY,
    "name": "Website",
    "prefix": "sk_live_4fQz",
    "scopes": ["pipelines:execute", "webhooks:trigger"],
    "expires_at": None,
    "last_used_at": ACCEPTED,
    "created_at": CREATED,
}
_SECRET_SHOWN: Final[dict[str, Any]] = {
    "id": STORED,
    "name": "BRIEFS_SECRET",
    "pipeline_id": None,
    "hosts": ["api.example.com"],
    "created_at": CREATED,
    "updated_at": CREATED,
    "last_used_at": None,
}
_DEVICE_CODE: Final = "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS0Q"
_LONG: Final = "the passphrase of a password manager"

SHAPES: Final[dict[str, Any]] = {
    "CreatedApiKey": _KEY_SHOWN
    | {"last_used_at": None, "key": "sk_live_4fQzT0wq8mJ2xYb7Lk9Vd3Rn6HcSgE1pAuZ5"},
    "DeletedApiKey": {"id": KEY, "deleted": True},
    "DeletedSecret": {"id": STORED, "deleted": True},
    "ForgottenPassword": {"email": "ada@example.com"},
    "ApiKey": _KEY_SHOWN,
    "Login": {"email": "ada@example.com", "password": _LONG},
    "Logout": {"all": True},
    "NewApiKey": {"name": "Website", "scopes": ["pipelines:execute", "webhooks:trigger"]},
    "NewSecret": {
        "name": "BRIEFS_SECRET",
        "value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "hosts": ["api.example.com"],
    },
    "PasswordChange": {"current_password": _LONG, "new_password": f"{_LONG}, a new one"},
    "Refresh": {"refresh_token": "Zk3pV9x1cQm7Lw5Tn2Yb8Rd4Hs6Jg0Fa"},
    "Registration": {"email": "ada@example.com", "password": _LONG, "name": "Ada"},
    "NewPassword": {"token": "Yb8Rd4Hs6Jg0FaZk3pV9x1cQm7Lw5Tn2", "password": f"{_LONG}, a new one"},
    "Secret": _SECRET_SHOWN,
    "UsageEntry": {
        "key": "2026-02-27",
        "name": None,
        "runs": 12,
        "tokens": 732,
        "cost_usd_micros": 252,
        "cost_complete": True,
    },
    "PasswordResetDone": {"sessions_ended": 2, "api_keys_revoked": 1},
    "SessionsEnded": {"sessions_ended": 2},
    "StoredSecret": _SECRET_SHOWN | {"warning": None},
    "Usage": {
        "from": "2026-02-01",
        "to": "2026-02-27",
        "runs": {"total": 13, "completed": 11, "failed": 1, "cancelled": 0, "unfinished": 1},
        "tokens": {"input": 408, "cached": 0, "output": 324, "total": 732},
        "cost_usd_micros": 252,
        "cost_complete": True,
        "credits": {"used": 0, "remaining": 1_999},
        "quotas": [
            {
                "name": "api_keys",
                "limit": 20,
                "overridden": False,
                "used": 2,
                "left": 18,
                "resets_at": None,
            },
            {
                "name": "emails_per_day",
                "limit": 200,
                "overridden": True,
                "used": 12,
                "left": 188,
                "resets_at": "2026-02-28T00:00:00.000Z",
            },
        ],
        "series": [
            {
                "key": "2026-02-27",
                "name": None,
                "runs": 12,
                "tokens": 732,
                "cost_usd_micros": 252,
                "cost_complete": True,
            }
        ],
        "series_complete": True,
        "daily": None,
    },
    "User": {
        "id": USER,
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada",
        "workspace": {"id": WORKSPACE, "name": "Ada"},
        "role": "owner",
        "plan": "starter",
        "limits": {
            "credits_per_month": 2_000,
            "runs_per_day": 100,
            "webhooks": True,
            "api_keys": 20,
        },
        "credits_remaining": 1_999,
        "is_admin": False,
        "created_at": CREATED,
    },
}
SHAPES["VerificationToken"] = {
    "token": "AZLwxR06exCMRC9vOp59AQBM0V7cFOl9P6mVh3mYkqRtW8b2JdXn4sLzQe5Gy1Ua"
}
SHAPES.update(
    {
        "OpenSession": {
            "id": STORED,
            "created_at": CREATED,
            "last_used_at": CREATED,
            "client": "203.0.113.7",
            "device": "Firefox on Linux",
            "expires_at": "2026-03-29T09:30:00.000Z",
            "is_current": True,
        },
        "Totp": {"enabled": True, "enabled_at": CREATED, "recovery_codes_left": 9},
        "TotpBegin": {"password": _LONG},
        "TotpSecret": {
            "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "otpauth_uri": "otpauth://totp/stepIQ%20example.com:ada@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=stepIQ%20example.com",
        },
        "TotpConfirmation": {"code": "287082"},
        "TotpProof": {"password": _LONG, "code": "287082"},
        "RecoveryCodes": {"recovery_codes": ["7kq2-w9xf-3htm-c8ra", "0npz-5vej-d6gs-41yb"]},
        "DeletedTotp": {"id": USER, "deleted": True},
    }
)
SHAPES.update(
    {
        "NewDeviceLogin": {"host_name": "laptop"},
        "DeviceCodes": {
            "device_code": _DEVICE_CODE,
            "user_code": "BCDF-GHJK",
            "verification_uri": "https://stepiq.example.com/device",
            "verification_uri_complete": "https://stepiq.example.com/device?code=BCDF-GHJK",
            "expires_in": 600,
            "interval": 5,
        },
        "DeviceCode": {"device_code": _DEVICE_CODE},
        "UserCode": {"user_code": "BCDF-GHJK"},
        "DeviceDecision": {"user_code": "BCDF-GHJK", "approve": True},
        "DeviceLogin": {
            "host_name": "laptop",
            "client": "203.0.113.7",
            "created_at": CREATED,
            "expires_at": "2026-02-27T09:40:00.000Z",
            "scopes": ["account:read", "pipelines:execute", "pipelines:read", "pipelines:write"],
            "key_days": 90,
        },
    }
)
SHAPES["EmailVerification"] = {"email": "ada@example.com", "email_verified": True}
SHAPES["UserChange"] = {"disabled": True}
SHAPES["BrowserSession"] = {
    "user": SHAPES["User"],
    "csrf_token": "4fQzT0wq8mJ2xYb7Lk9Vd3Rn6HcSgE1pAuZ5WvKtBoI",
    "expires_at": "2026-03-29T09:30:00.000Z",
}
SHAPES["Session"] = {
    "user": SHAPES["User"],
    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTkyZjBjMCJ9.Jx0nT7Qm",
    "refresh_token": "Zk3pV9x1cQm7Lw5Tn2Yb8Rd4Hs6Jg0Fa",
    "token_type": "Bearer",
    "expires_in": 900,
}
SHAPES["RecipientToken"] = {
    "token": "AZLwxR06exCMRC9vOp59AQBM0V7cFOl9P6mVh3mYkqRtW8b2JdXn4sLzQe5Gy1Ua"
}
SHAPES["ListedRecipient"] = {
    "id": "0192f0c5-3c11-7d20-8a10-6f0b8e1d2c40",
    "email": "bob@example.com",
    "status": "asked",
    "asked_at": "2026-02-27T10:00:00.000Z",
    "confirmed_at": None,
    "expires_at": "2026-03-06T10:00:00.000Z",
}
SHAPES["Recipient"] = {"email": "bob@example.com", "confirmed": True, "released": 2}


TEAM: Final = "0192f0c0-9e2c-7f31-8d45-6c1b2e7a9d09"

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
    "id": TEAM,
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
    "id": TEAM,
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

SHAPES.update(
    {
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
)
