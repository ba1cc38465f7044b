"""People and pipelines of a team."""

from uuid import uuid4

import httpx2

from tests.ui.support import PASSWORD, Person


def address(name: str) -> str:
    return f"{name}-{uuid4().hex[:12]}@example.com"


async def invitation_link(api: httpx2.AsyncClient, email: str, role: str) -> str:
    made = await api.post("/api/workspace/invitations", json={"email": email, "role": role})
    assert made.status_code == 201, made.text
    return "/join#" + made.json()["url"].partition("/join#")[2]


async def joined(api: httpx2.AsyncClient, email: str, role: str) -> Person:
    """A new account in the workspace of `api`."""
    link = await invitation_link(api, email, role)
    body = {"email": email, "password": PASSWORD, "invitation": link.partition("invitation=")[2]}
    answer = await api.post("/api/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return Person(email, PASSWORD, answer.json()["token"])


async def short_pipeline(api: httpx2.AsyncClient, headers: dict[str, str] | None = None) -> str:
    definition = {"name": "Short", "steps": [{"id": "only", "type": "transform", "template": "x"}]}
    saved = await api.post("/api/pipelines", json=definition, headers=headers)
    return saved.raise_for_status().json()["id"]


async def run_of(api: httpx2.AsyncClient, headers: dict[str, str] | None = None) -> str:
    pipeline = await short_pipeline(api, headers)
    started = await api.post(f"/api/pipelines/{pipeline}/run", json={}, headers=headers)
    return started.raise_for_status().json()["id"]
