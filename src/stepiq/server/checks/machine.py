"""The machine: the limit of open files, and the protections for the sandbox of `code` steps."""

import asyncio
import os

from stepiq.core.settings import Settings
from stepiq.sandbox import walls
from stepiq.server import descriptors
from stepiq.server.checks.check import Check, failed, ok, warning

_FILES = "open files"
_SANDBOX = "sandbox"


async def check_descriptors(settings: Settings) -> list[Check]:
    """Whether the limit of open files is large enough for the settings. Raises the limit of this process first, as a server does."""
    limit, wanted = descriptors.raise_limit(), settings.max_connections
    possible = descriptors.max_connections(settings, limit)
    if possible == wanted:
        return [ok(_FILES, f"a process can open {limit:,} files and connections")]
    needed = wanted + descriptors.OTHER_DESCRIPTORS
    detail = (
        f"A process can open only {limit:,} files and connections, so a server accepts {possible:,} connections"
        f" instead of {wanted:,} (STEPIQ_MAX_CONNECTIONS)."
    )
    advice = (
        f"Raise the hard limit to {needed} or more: `ulimit -n {needed}` as root in the shell that starts stepIQ,"
        f" `LimitNOFILE={needed}` for systemd, or `--ulimit nofile={needed}` for Docker."
        f" Or set STEPIQ_MAX_CONNECTIONS={possible}."
    )
    return [warning(_FILES, detail, advice)]


async def check_sandbox(_: Settings) -> list[Check]:
    """Whether `code` steps can run, and how they are isolated."""
    is_root = os.geteuid() == 0
    if is_root and not await asyncio.to_thread(walls.can_switch_user):
        detail = "The server runs as root and cannot switch to another user, so `code` steps fail."
        advice = "Run the server as another user, or give it the capabilities SETUID and SETGID."
        return [failed(_SANDBOX, detail, advice)]
    if missing := walls.missing():
        detail = (
            f"`code` steps run without {' and '.join(missing)}: this system does not have them."
        )
        advice = "Use Linux 5.13 or newer on x86_64 or aarch64, or let only people you trust write `code` steps."
        return [warning(_SANDBOX, detail, advice)]
    user = "a user of its own" if is_root else "the user of the server"
    return [ok(_SANDBOX, f"`code` runs as {user}, with a system call filter and Landlock")]
