"""The report of `stepiq serve` when it is ready: its address, and where to sign in."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stepiq import __version__
from stepiq.accounts import service as accounts
from stepiq.accounts.signing_in import registration
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.server import process
from stepiq.store.database import Session
from stepiq.web.services import Services

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The report of a server that is ready."""

    url: str
    text: str
    """Text for a terminal."""
    needs_setup: bool
    """Whether the server has no account yet."""
    worker: str | None = None
    """The name of its worker, if it executes runs."""

    def show(self, announce: Callable[[str], None] | None) -> None:
        """Print the text with `announce`, or log the facts if it is None."""
        if announce is not None:
            for line in self.text.split("\n"):
                announce(line)
            return
        log.info(
            "server_ready",
            version=__version__,
            url=self.url,
            api=f"{self.url}/docs",
            worker=self.worker,
            max_open_files=process.file_limit(),
        )
        if self.needs_setup:
            log.warning(
                "no_account",
                advice="Register the administrator with the setup token, which `stepiq setup-token` shows.",
            )


def demo_login_file(settings: Settings) -> Path:
    """The file in which `stepiq demo` saves the email address and password of its account."""
    return settings.data_dir.absolute() / "demo-login.json"


async def welcome(services: Services, jwt_secret: bytes | None) -> Welcome:
    """Build the report.

    Args:
        services: of the server.
        jwt_secret: derives the setup token of a server without an account. None hides the token.
    """
    settings = services.settings
    worker = services.engine.worker_name if services.engine.is_ready else None
    text = f"""\
stepIQ {__version__} is ready at {settings.base_url}
API reference: {settings.base_url}/docs"""
    async with services.database.reading() as session:
        if not await accounts.needs_setup(session):
            text = f"{text}\n{await _accounts(session, services)}"
            return Welcome(settings.base_url, text, needs_setup=False, worker=worker)
    token = None if jwt_secret is None else registration.setup_token(jwt_secret)
    text = f"{text}\n\n{_first_steps(settings, token)}"
    return Welcome(settings.base_url, text, needs_setup=True, worker=worker)


def setup_link(settings: Settings, token: str) -> str:
    """The page that creates the first administrator."""
    # Browsers do not send the fragment, so the token is in no log of a proxy.
    return f"{settings.base_url}/register#setup={token}"


async def _accounts(session: Session, services: Services) -> str:
    """The administrator, or the demo's account if it exists, and where to sign in."""
    settings = services.settings
    file = demo_login_file(settings)
    demo = _demo_account(file)
    admin = await accounts.administrator(session)
    if demo is not None and await accounts.exists(session, demo):
        role = "Administrator" if demo == admin else "Account"
        password = f"created by `stepiq demo`. The password is in {file}."
        return f"Sign in at {settings.base_url}/login\n{role}: {demo}, {password}"
    if admin is None:
        return "No administrator can log in. Create one with `stepiq users create EMAIL --admin`."
    mail = "" if services.mailer.has_server else f" The email is saved in {file.parent / 'mail'}."
    return f"""\
Sign in at {settings.base_url}/login
Administrator: {admin}. If you forgot the password: {settings.base_url}/forgot-password.{mail}"""


def _demo_account(file: Path) -> str | None:
    try:
        return str(json.loads(file.read_text())["email"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _first_steps(settings: Settings, token: str | None) -> str:
    if token is None:
        return """\
This server has no account yet. To show the link that creates its administrator, run:

  stepiq setup-token
"""
    return f"""\
This server has no account yet. Open this link to create its administrator:

  {setup_link(settings, token)}

Keep the link secret: anyone who has it can become the administrator.
"""
