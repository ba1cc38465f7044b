"""`stepiq doctor`, which checks the configuration and shows how to fix problems, and `stepiq mail test`."""

import asyncio

from stepiq.cli.output.console import UsageError, complain, print_json, print_text, say
from stepiq.core import addresses
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.settings import model as settings
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.server import checks
from stepiq.server.checks import Check, Status

_MARKS = {
    Status.OK: ("ok", "green"),
    Status.NOTE: ("note", "cyan"),
    Status.WARNING: ("warning", "yellow"),
    Status.FAILED: ("FAILED", "red"),
}
_MARK_WIDTH = 9


def run(*, as_json: bool) -> bool:
    """Run all checks and print the results. Returns whether everything that is configured works."""
    found = asyncio.run(checks.everything())
    works = all(check.status is not Status.FAILED for check in found)
    if as_json:
        print_json({"ok": works, "checks": [_data(check) for check in found]})
    else:
        _show(found)
    return works


def _data(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "advice": check.advice,
    }


def _show(found: list[Check]) -> None:
    width = max(len(check.name) for check in found)
    indent = " " * (_MARK_WIDTH + width + 2)
    for check in found:
        mark, colour = _MARKS[check.status]
        print_text(f"{mark:{_MARK_WIDTH}}", color=colour, newline=False)
        print_text(f"{check.name:{width}}  {check.detail}")
        if check.advice:
            print_text(f"{indent}> {check.advice}")
    print_text()
    print_text(_verdict(found))


def _verdict(found: list[Check]) -> str:
    if all(isinstance(check.error, SettingsInvalid) for check in found):
        return "`stepiq serve` cannot start until you correct the settings above. Nothing else was checked."
    failed = sum(check.status is Status.FAILED for check in found)
    is_running = any(check.is_running for check in found)
    if failed:
        count = f"{failed} of {len(found)} checks failed."
        if any(check.error is not None for check in found):
            return f"{count} `stepiq serve` cannot start until you fix the problems above."
        state = "The server is running" if is_running else "`stepiq serve` can start"
        return f"{count} {state}, but not everything that is configured works."
    next_step = "The server is running." if is_running else "Start the server with `stepiq serve`."
    return f"Everything that is configured works. {next_step}"


_SUBJECT = "Test message from stepIQ"


def send_test_mail(address: str) -> bool:
    """Send a test message with the configured mail server. Returns whether the server accepted it."""
    to = addresses.parse(address)
    if to is None:
        raise UsageError(
            f"`{address[:100]}` is not an email address. Use one such as you@example.com."
        )
    configured = settings.load()
    mailer = Mailer(configured)
    if not mailer.has_server:
        complain(
            "No mail server is configured, and no message was sent. Set STEPIQ_SMTP_URL, such as "
            f"smtp://USER:PASSWORD@mail.example.com:587. Until then, emails are files in {mailer.destination}."
        )
        return False
    _, sender = configured.mail_sender
    say(f"Sending a test message from {sender} to {to} through {mailer.destination} ...")
    text = (
        f"This is a test message from stepIQ at {configured.base_url}.\n\n"
        "The mail server that stepIQ is configured with accepted it.\n"
    )
    try:
        asyncio.run(mailer.send(MailMessage(to, _SUBJECT, text)))
    except MailUnsent as error:
        complain(error.message)
        return False
    say(
        "The mail server accepted the message. If it does not arrive, look for it in the spam folder, and check that "
        f"this mail server may send for the domain of {sender} (STEPIQ_MAIL_FROM, SPF and DKIM)."
    )
    return True
