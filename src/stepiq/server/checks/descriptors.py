"""The limit of open files and connections."""

from stepiq.core.settings import Settings
from stepiq.server import descriptors
from stepiq.server.checks.check import Check, ok, warning

_NAME = "open files"


async def check_descriptors(settings: Settings) -> list[Check]:
    """Whether the limit is large enough for the settings. Raises the limit of this process first, as a server does."""
    limit, wanted = descriptors.raise_limit(), settings.max_connections
    possible = descriptors.max_connections(settings, limit)
    if possible == wanted:
        return [ok(_NAME, f"a process can open {limit:,} files and connections")]
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
    return [warning(_NAME, detail, advice)]
