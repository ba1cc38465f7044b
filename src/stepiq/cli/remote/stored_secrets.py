"""`stepiq secrets`: names, stores and deletes secrets of a server. No command shows a value."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stepiq.cli.output.console import (
    UsageError,
    ask_secret,
    local_time,
    print_json,
    print_rows,
    print_text,
    say,
    stdin_is_terminal,
)
from stepiq.cli.remote.calling import everything, is_json, new_key, pipeline_path
from stepiq.cli.remote.failures import in_commands

if TYPE_CHECKING:
    from stepiq.client import AsyncClient

_MAX_BYTES = 100_000
"""More than the largest secret. Protects against a wrong file."""


async def show_list(client: "AsyncClient", pipeline: str | None) -> None:
    """Print the names of secrets."""
    found = await everything(client, _path(pipeline))
    if is_json():
        print_json({"data": found})
        return
    print_rows(("name", "hosts", "stored", "last used"), [_cells(secret) for secret in found])
    if not found:
        say("No secrets are stored.")


async def store(
    client: "AsyncClient", name: str, value: str, *, pipeline: str | None, hosts: Sequence[str]
) -> None:
    """Store a secret, or replace its value."""
    body: dict[str, Any] = {"name": name, "value": value}
    if hosts:
        body["hosts"] = list(hosts)
    # Storing the same value again has the same effect, but the server needs a key to know that it is a repetition.
    answer = await client.request("POST", _path(pipeline), json=body, idempotency_key=new_key())
    stored = answer.json()
    if is_json():
        print_json(stored)
        return
    print_text(f"{stored['name']}: {'stored' if answer.status == 201 else 'replaced'}")
    if stored.get("warning"):
        say(f"warning  {in_commands(stored['warning'])}")


async def delete(client: "AsyncClient", name: str, *, pipeline: str | None) -> None:
    """Delete a secret."""
    path = _path(pipeline)
    answer = await client.request("DELETE", f"{path}/{quote(name, safe='')}")
    if is_json():
        print_json(answer.json())
    else:
        print_text(f"{name}: deleted")


def read_value(name: str) -> str:
    """The value from standard input, without one line break at its end; on a terminal, typed without an echo."""
    if stdin_is_terminal():
        value = ask_secret(f"Value of {name}")
    else:
        data = sys.stdin.buffer.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UsageError("The value on standard input is too long for a secret.")
        try:
            value = data.decode()
        except UnicodeDecodeError:
            raise UsageError("The value on standard input is not UTF-8.") from None
        value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageError(
            f"The value is empty. Send it to standard input: `stepiq secrets set {name} < FILE`."
        )
    return value


def _path(pipeline: str | None) -> str:
    if pipeline is None:
        return "/api/user/secrets"
    return f"{pipeline_path(pipeline)}/secrets"


def _cells(secret: Mapping[str, Any]) -> list[str]:
    hosts = ", ".join(secret["hosts"]) if secret["hosts"] else "all"
    return [
        secret["name"],
        hosts,
        local_time(secret["updated_at"]),
        local_time(secret["last_used_at"]),
    ]
