"""The protections that this system offers for the sandbox of `code` steps."""

import asyncio
import os

from stepiq.core.settings import Settings
from stepiq.sandbox import walls
from stepiq.server.checks.check import Check, failed, ok, warning

_NAME = "sandbox"


async def check_sandbox(_: Settings) -> list[Check]:
    """Whether `code` steps can run, and how they are isolated."""
    is_root = os.geteuid() == 0
    if is_root and not await asyncio.to_thread(walls.can_switch_user):
        detail = "The server runs as root and cannot switch to another user, so `code` steps fail."
        advice = "Run the server as another user, or give it the capabilities SETUID and SETGID."
        return [failed(_NAME, detail, advice)]
    if missing := walls.missing():
        detail = (
            f"`code` steps run without {' and '.join(missing)}: this system does not have them."
        )
        advice = "Use Linux 5.13 or newer on x86_64 or aarch64, or let only people you trust write `code` steps."
        return [warning(_NAME, detail, advice)]
    user = "a user of its own" if is_root else "the user of the server"
    return [ok(_NAME, f"`code` runs as {user}, with a system call filter and Landlock")]
