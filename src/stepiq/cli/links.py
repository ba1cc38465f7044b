"""Says which address the links have that commands print."""

from stepiq.cli.output.console import say
from stepiq.core.settings.model import Settings


def warn_about_address(configured: Settings) -> None:
    """Say which address a printed link has, if it may not be that of the server.

    This process does not know the options of `stepiq serve`, such as `--port`, or a proxy in front of the server.
    """
    if not configured.public_url:
        say(
            f"The link opens a server at {configured.base_url}. If yours has another address, set STEPIQ_PUBLIC_URL to it"
            " and create the link again."
        )
