"""What a server sends does not add lines to the output of a command."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.cli.remote.test_failures import COMMANDS
from tests.support.hostile import FORGED, forged_lines
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server

NOW = "2026-11-27T12:00:00Z"
ERROR = {"code": FORGED, "message": FORGED, "detail": FORGED, "path": FORGED}
STEP: dict[str, Any] = {
    "step_id": FORGED,
    "branch": FORGED,
    "iteration": 1,
    "attempt": 1,
    "status": FORGED,
    "model": FORGED,
    "input_tokens": 1,
    "output_tokens": 1,
    "cost_usd_micros": 1,
    "duration_ms": 1,
    "error": ERROR,
    "level": FORGED,
    "message": FORGED,
}
ITEM: dict[str, Any] = {
    **STEP,
    "id": FORGED,
    "run_id": FORGED,
    "name": FORGED,
    "slug": FORGED,
    "version": FORGED,
    "pipeline_id": FORGED,
    "pipeline_name": FORGED,
    "pipeline_version": FORGED,
    "text_sha256": FORGED,
    "tags": [FORGED],
    "managed_by": FORGED,
    "source": FORGED,
    "source_format": "yaml",
    "cron_expression": FORGED,
    "timezone": FORGED,
    "input_data": {},
    "enabled": True,
    "overlap": FORGED,
    "catch_up": FORGED,
    "from_definition": False,
    "text": FORGED,
    "definition": {},
    "last_run": {"status": FORGED, "created_at": NOW},
    "caller": {"name": FORGED},
    "trigger_type": FORGED,
    "total_tokens": 2,
    "cost_complete": True,
    "created_at": NOW,
    "started_at": NOW,
    "completed_at": NOW,
    "steps": [STEP],
    "decision": FORGED,
    "closed_at": NOW,
    "reviewer": FORGED,
    "requested_at": NOW,
    "expires_at": NOW,
    "hosts": [FORGED],
    "updated_at": NOW,
    "last_used_at": NOW,
    "warning": FORGED,
    "warnings": [ERROR],
    "errors": [ERROR],
    "type": "step.status",
    # Several lines, by design.
    "output": None,
    "input_text": "",
    # What `login` and `whoami` read.
    "email": FORGED,
    "role": FORGED,
    "scopes": [FORGED],
    "key": "sk_live_x",
    "prefix": FORGED,
    "workspace": {"name": FORGED, "id": FORGED},
    "device_code": "x",
    "user_code": FORGED,
    "verification_uri": FORGED,
    "interval": 0,
    "expires_in": 60,
}
OTHERS = [("login", "--no-open"), ("logout",), ("whoami",)]
BY_DESIGN = {"reviews show": {"message": "one line"}}
"""Fields of several lines."""


@pytest.fixture
async def hostile(command: Command) -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        command.environment |= {
            "STEPIQ_SERVER": server.url,
            "XDG_CONFIG_HOME": str(command.folder / "config"),
        }
        profiles = command.folder / "config" / "stepiq" / "profiles.toml"
        profiles.parent.mkdir(parents=True)
        profiles.write_text(
            f'default = "a"\n[profiles.a]\nserver = "{server.url}"\napi_key = "x"\nkey_id = "x"\n'
        )
        profiles.chmod(0o600)
        flows = command.folder / "flows"
        flows.mkdir()
        (flows / "greeting.yaml").write_text(
            "name: A\nsteps: [{id: a, type: transform, template: a}]\n"
        )
        (flows / "greeting.deploy.yaml").write_text("tags: [a]\nschedules: []\n")
        yield server


@pytest.mark.parametrize("shown", ["on a terminal", "in a pipe"])
@pytest.mark.parametrize("answer", ["items", "error"])
@pytest.mark.parametrize("arguments", [*COMMANDS, *OTHERS], ids=lambda each: " ".join(each[:2]))
async def test_no_line_is_added(
    command: Command, hostile: ScriptedServer, arguments: tuple[str, ...], answer: str, shown: str
):
    own: dict[str, Any] = BY_DESIGN.get(" ".join(arguments[:2]), {})
    if arguments[0] in ("apply", "diff", "pull"):
        own = {"status": "active", "slug": "greeting", "version": 1, "errors": []}
    item = {**ITEM, "data": STEP, **own}
    body = {**item, "data": [item], "next_cursor": None}
    hostile.otherwise = Answer(400 if answer == "error" else 200, body)

    if shown == "in a pipe" or arguments[:2] == ("secrets", "set"):
        said = await command(*arguments, stdin="value")
    else:
        said = await command.on_terminal(*arguments)

    assert hostile.received
    assert said.code != 70, said
    assert not forged_lines(said.out + said.err)
