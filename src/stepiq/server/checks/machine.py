"""The machine: the limit of open files, and the protections for the sandbox of `code` steps."""

import asyncio
import os
from datetime import timedelta
from typing import TYPE_CHECKING

from stepiq.core.settings.model import Settings
from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox.isolation import walls
from stepiq.server import process
from stepiq.server.checks.check import Check, Status, failed, ok, warning

if TYPE_CHECKING:
    from stepiq.sandbox.conversation import CodeFailed

_FILES = "open files"
_SANDBOX = "sandbox"
_CODE = {
    CodeLanguage.PYTHON: "def main(input): return input",
    CodeLanguage.JAVASCRIPT: "function main(input) { return input }",
}
_CODE_TIMEOUT = timedelta(seconds=10)


async def check_descriptors(settings: Settings) -> list[Check]:
    """Whether the limit of open files is large enough for the settings. Raises the limit of this process first, as a server does."""
    limit, wanted = process.raise_file_limit(), settings.max_connections
    possible = process.max_connections(settings, limit)
    if possible == wanted:
        return [ok(_FILES, f"a process can open {limit:,} files and connections")]
    needed = wanted + process.OTHER_DESCRIPTORS
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
    """Whether the system can isolate `code` steps, and how. Runs no code."""
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


async def try_sandbox(settings: Settings) -> list[Check]:
    """The result of `check_sandbox`, or why code fails in the sandbox: a system may refuse protections that it has."""
    found = await check_sandbox(settings)
    if any(check.status is Status.FAILED for check in found):
        return found
    # A server starts without them.
    from stepiq.sandbox.conversation import CodeFailed  # noqa: PLC0415
    from stepiq.sandbox.sandbox import Sandbox  # noqa: PLC0415

    sandbox = Sandbox()
    try:
        for language, source in _CODE.items():
            ran = await sandbox.run(
                language, source, None, timeout=_CODE_TIMEOUT, log=lambda _: None
            )
            if isinstance(ran, CodeFailed):
                return [_fails(language, ran)]
    finally:
        await sandbox.close()
    return found


def _fails(language: CodeLanguage, ran: "CodeFailed") -> Check:
    if not ran.reason:
        return failed(_SANDBOX, f"`code` steps in {language} fail: {ran.message}", "")
    detail = (
        f"`code` steps in {language} fail, because the system refuses a protection: {ran.reason}"
    )
    advice = "Allow it in the configuration of the container or the service, or run the server elsewhere."
    return failed(_SANDBOX, detail, advice)
