"""`stepiq mail test`: sends a test message, and explains the result."""

import asyncio

from stepiq.cli.output.console import UsageError, complain, say
from stepiq.core import addresses
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.settings import model as settings

_SUBJECT = "Test message from stepIQ"


def send(address: str) -> bool:
    """Send a test message with the configured mail server. Returns whether the server accepted it.

    Raises:
        UsageError: the address is not an email address.
    """
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
