"""Sends email through the operator's mail server, or writes it to files if no server is set.

The operator configures the address of the mail server, so it can be private.
"""

import asyncio
import os
import re
import secrets
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from stepiq.core import addresses, clock, ids
from stepiq.core.errors import Unavailable
from stepiq.core.settings.model import Settings

_STEP_SECONDS = 20.0
_WHOLE_SECONDS = 60.0
_QUIT_SECONDS = 2.0
_CONNECTIONS = 4
_MAX_HEADER = 250
_MAX_LINE = 998
_MAX_READ = 2_000
"""Maximum length of a name, a subject or an answer of a mail server, in characters. The rest is ignored."""
_SUBMISSION_PORT = 587
_CORRECT = "Correct the host and port in STEPIQ_SMTP_URL, or start the mail server."

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_ABOUT_MAILBOX = re.compile(r"\s*[45]\.(1\.[1-6]|2\.\d{1,3})\b")
"""Enhanced status codes of a mailbox that does not exist or does not accept the email (RFC 3463)."""
_OWN_HEADERS = frozenset(
    {"from", "to", "cc", "bcc", "sender", "subject", "date", "mime-version", "return-path"}
)


class MailUnsent(Unavailable):
    """An email could not be sent."""

    code = "mail_unsent"

    def __init__(
        self,
        message: str,
        /,
        *,
        is_permanent: bool = False,
        reply: int | None = None,
        refusal: str | None = None,
    ) -> None:
        super().__init__(message)
        self._refusal = refusal
        """What was refused about this email, without the address of the mail server. None: another failure."""
        self.reply = reply
        """The code with which the server refused an email that it had received. If set, the message has the server's
        text, which can quote the email."""
        self.is_permanent = is_permanent
        """Whether a retry is useless, because the server or stepIQ refuses this email."""

    @property
    def confidential_reason(self) -> str:
        """The message for logs and rows if the email contains a link. Without the server's text, which can quote it."""
        if self.reply is None:
            return self.message
        return f"The mail server refused the email with code {self.reply}. Its answer is left out, because it may contain the link."

    def reason_for_users(self, *, has_link: bool) -> str:
        """The reason for people who do not operate the server: without the address and the settings of its mail server.

        With `has_link`, also without the mail server's text, as in `confidential_reason`, which belongs into the log.
        """
        if self._refusal is None:
            return "The email of this server does not work at the moment. The operator can find the reason in the log."
        return self.confidential_reason if has_link and self.reply is not None else self._refusal


@dataclass(frozen=True, slots=True)
class MailMessage:
    """An email to one recipient. Line breaks in `subject` and `headers` become spaces: text cannot add headers."""

    to: str
    """An address without a name."""
    subject: str
    text: str
    html: str | None = None
    """The same content as HTML."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Additional headers, such as a `Message-ID` that stays the same if the email is sent again."""


class Mailer:
    """Sends email according to the settings."""

    def __init__(self, settings: Settings) -> None:
        self._sender = settings.mail_sender
        url = settings.smtp_url
        self._door: _Door = (
            _Folder(settings.data_dir.absolute() / "mail")
            if url is None
            else _Server(url.get_secret_value(), self._sender[1].rpartition("@")[2])
        )

    @property
    def has_server(self) -> bool:
        """Whether a mail server is set. Without one, emails are written to files."""
        return isinstance(self._door, _Server)

    @property
    def destination(self) -> str:
        """The host and port of the server, or the folder of the files."""
        return self._door.name

    async def send(self, message: MailMessage) -> None:
        """Send an email to the server, or write it to the folder `mail`. It is accepted when this returns.

        Raises:
            MailUnsent: it could not be sent. If the connection broke, the server may have accepted it nevertheless.
        """
        await self._door.take(_compose(message, self._sender))


def _compose(message: MailMessage, sender: tuple[str, str]) -> EmailMessage:
    to = addresses.parse(message.to)
    if to is None:
        problem = "Invalid recipient: not an email address."
        raise MailUnsent(problem, is_permanent=True, refusal=problem)
    name, address = sender
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _mailbox(name, address)
    mail["To"] = _mailbox("", to)
    mail["Subject"] = _one_line(message.subject)
    mail["Date"] = format_datetime(clock.now())
    given = {key.lower() for key in message.headers}
    if "message-id" not in given:
        mail["Message-ID"] = f"<{ids.uuid7()}@{address.rpartition('@')[2]}>"
    if "auto-submitted" not in given:
        mail["Auto-Submitted"] = "auto-generated"
    for key, value in message.headers.items():
        if not _HEADER_NAME.fullmatch(key) or _is_own(key):
            raise ValueError(f"a mail cannot have the header {key!r}")
        mail[key] = _one_line(value)
    text = _readable(message.text)
    mail.set_content(text, cte=_encoding(text))
    if message.html is not None:
        html = _readable(message.html)
        mail.add_alternative(html, subtype="html", cte=_encoding(html))
    return mail


def _encoding(text: str) -> str | None:
    """The transfer encoding of a text; None lets the library choose."""
    # The library escapes lines over 78 characters, so a link copied from the file of such an email would not work.
    if any(len(line) > _MAX_LINE for line in text.encode().splitlines()):
        return None
    return "7bit" if text.isascii() else "8bit"


def _mailbox(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    # From its parts, because the library refuses whole addresses with non-ASCII letters.
    return Address(_one_line(name), username=local, domain=domain)


def _is_own(name: str) -> bool:
    return name.lower() in _OWN_HEADERS or name.lower().startswith("content-")


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text[:_MAX_READ]).strip()[:_MAX_HEADER]


def _readable(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


class _Door(Protocol):
    @property
    def name(self) -> str: ...

    async def take(self, mail: EmailMessage) -> None: ...


class _Folder:
    """Writes emails to `.eml` files. Only their owner can read them, because they contain tokens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    async def take(self, mail: EmailMessage) -> None:
        is_ascii = str(mail["To"]).isascii() and str(mail["From"]).isascii()
        content = mail.as_bytes(policy=SMTP if is_ascii else SMTPUTF8)
        await asyncio.to_thread(self._write, content)

    def _write(self, content: bytes) -> None:
        name = f"{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(8)}.eml"
        draft = self._folder / f".{name}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            draft.rename(self._folder / name)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise MailUnsent(
                f"Mail cannot be written to {self._folder}: {error.strerror}. "
                "Free disk space, correct the permissions of the folder, or set STEPIQ_SMTP_URL."
            ) from None


class _Server:
    """Sends emails to a mail server, each over a new connection."""

    def __init__(self, url: str, domain: str) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or (465 if self._is_tls else _SUBMISSION_PORT)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "") if parts.username else None
        self._domain = domain if domain.isascii() else "localhost"
        # Servers limit the connections of one client.
        self._connections = asyncio.Semaphore(_CONNECTIONS)
        self.name = f"{self._host}:{self._port}"
        self._where = f"The mail server {self.name}"

    async def take(self, mail: EmailMessage) -> None:
        async with self._connections:
            client = aiosmtplib.SMTP(
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                local_hostname=self._domain,
                timeout=_STEP_SECONDS,
                use_tls=self._is_tls,
                start_tls=self._start_tls(),
            )
            try:
                async with asyncio.timeout(_WHOLE_SECONDS):
                    await client.connect()
                    await client.send_message(mail)
                # The server has accepted the email, so errors of QUIT do not matter.
                with suppress(aiosmtplib.SMTPException):
                    await client.quit(timeout=_QUIT_SECONDS)
            except (aiosmtplib.SMTPException, OSError) as error:
                raise self._unsent(error) from None
            finally:
                client.close()

    def _start_tls(self) -> bool | None:
        """True: STARTTLS is required; None: it is used if the server offers it; False: TLS from the start."""
        if self._is_tls:
            return False
        # Otherwise an attacker in the middle could remove the offer and read the password.
        must = self._user is not None and not _is_here(self._host)
        return True if must or self._port == _SUBMISSION_PORT else None

    def _unsent(self, error: Exception) -> MailUnsent:
        match error:
            case aiosmtplib.SMTPAuthenticationError():
                # Without the server's text, because some servers repeat the credentials.
                return MailUnsent(
                    f"{self._where} rejected the user and password in STEPIQ_SMTP_URL ({error.code}). Correct them. "
                    "Write special characters in percent-encoding, such as %40 for @."
                )
            case aiosmtplib.SMTPRecipientsRefused(recipients=[refusal, *_]):
                return self._refused(refusal, "the recipient", for_users=_about_recipient(refusal))
            case aiosmtplib.SMTPDataError():
                return self._refused(error, "the mail", for_users=_text(error), has_email=True)
            case aiosmtplib.SMTPSenderRefused():
                return self._refused(error, "the sender; see STEPIQ_MAIL_FROM")
            case aiosmtplib.SMTPResponseException(code=-1):
                return MailUnsent(f"{self._where} does not use SMTP. {_CORRECT}")
            case aiosmtplib.SMTPResponseException():
                return self._refused(error, "the mail", has_email=True)
            case aiosmtplib.SMTPNotSupported():
                problem = f"does not support this address: {error}"
                return MailUnsent(
                    f"{self._where} {problem}",
                    is_permanent=True,
                    refusal=f"The mail server {problem}",
                )
            case aiosmtplib.SMTPException() if type(error) is aiosmtplib.SMTPException:
                return MailUnsent(
                    f"{self._where} does not support what STEPIQ_SMTP_URL needs: {error}"
                )
            case _:
                return MailUnsent(f"{self._where} {self._unreached(error)}")

    def _unreached(self, error: Exception) -> str:
        """What failed before the server answered, and what to do."""
        match error.__cause__ or error:
            case ssl.SSLCertVerificationError() as refused:
                reason = refused.verify_message.rstrip(".")
                return (
                    f"failed the TLS handshake: its certificate is not trusted ({reason}). In STEPIQ_SMTP_URL, use the "
                    "host name of the certificate. For a certificate of your own, set SSL_CERT_FILE."
                )
            case ssl.SSLError() as refused:
                hint = " If it does not use TLS from the start, write smtp:// instead of smtps://."
                return (
                    f"failed the TLS handshake: {refused.reason or 'unknown reason'}."
                    f"{hint if self._is_tls else ''}"
                )
            case TimeoutError():
                hint = " If it uses TLS from the start, write smtps:// instead of smtp://."
                return (
                    "did not answer in time. Check the host and port in STEPIQ_SMTP_URL, and the firewall."
                    f"{'' if self._is_tls else hint}"
                )
            case socket.gaierror(errno=socket.EAI_AGAIN):
                return (
                    f"cannot be reached: DNS gave no answer for {self._host}. Check the host in STEPIQ_SMTP_URL, the "
                    "network, and the DNS servers of this machine."
                )
            case socket.gaierror():
                return f"cannot be reached: the name {self._host} has no address. {_CORRECT}"
            case ConnectionRefusedError():
                return f"cannot be reached: no server listens on this port. {_CORRECT}"
            case aiosmtplib.SMTPServerDisconnected() | ConnectionResetError():
                return f"cannot be reached: it closed the connection. {_CORRECT}"
            case cause:
                return f"cannot be reached: {type(cause).__name__}. {_CORRECT}"

    def _refused(
        self,
        error: aiosmtplib.SMTPResponseException,
        what: str,
        *,
        for_users: str | None = None,
        has_email: bool = False,
    ) -> MailUnsent:
        return MailUnsent(
            f"{self._where} rejected {what}: {_text(error)}",
            is_permanent=500 <= error.code < 600,
            reply=error.code if has_email else None,
            refusal=None if for_users is None else f"The mail server rejected {what}: {for_users}",
        )


def _text(error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {_one_line(error.message)}"


def _about_recipient(error: aiosmtplib.SMTPResponseException) -> str:
    """The text of a refusal if it concerns the recipient's mailbox, and otherwise its code.

    Many servers refuse a recipient because of the client, its login or the sender. Their text can name these.
    """
    return _text(error) if _ABOUT_MAILBOX.match(error.message) else f"{error.code}."


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
