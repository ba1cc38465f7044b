"""A mail server on loopback that stores received mail, and a reader of mail that was written to files."""

import asyncio
import email
import email.policy
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stepiq.core import clock


@dataclass
class Mailbox:
    """The mail that a server has received, and what it refuses."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    """Responses by command: `RCPT`, `MAIL`, `DATA`."""
    judge: Callable[[EmailMessage], str] | None = None
    """Returns the response to each mail, instead of `refuse`."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_MAIL(  # noqa: N802 — the library's names
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.refuse.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if "RCPT" in self.refuse:
            return self.refuse["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.judge is not None:
            return self.judge(read(envelope.content))
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.taken.append(read(envelope.content))
        self.recipients += envelope.rcpt_tos
        self.encrypted.append(session.ssl is not None)
        self.arrived.set()
        return "250 OK"


def read(content: bytes) -> EmailMessage:
    """Parse a mail."""
    lines = content.replace(b"\r\n", b"\n")
    return cast(EmailMessage, email.message_from_bytes(lines, policy=email.policy.default))


def kept(data_dir: Path) -> list[EmailMessage]:
    """The mail that was written to files, oldest first."""
    # The name of a file that is still written begins with a dot.
    files = sorted((data_dir / "mail").glob("[!.]*.eml"))
    return [read(path.read_bytes()) for path in files]


@asynccontextmanager
async def mail_server(
    *,
    credentials: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    from_start: bool = False,
    **options: Any,
) -> AsyncIterator[Mailbox]:
    """Serve SMTP on a free port.

    Args:
        credentials: required user and password. Default: none are required.
        tls: context for STARTTLS.
        from_start: whether to use TLS from the first byte instead.
        options: options of the library's `SMTP`.
    """
    box = Mailbox()
    served: list[SMTP] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any):
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == credentials, handled=False)

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            # Some tests use a password without TLS.
            warnings.simplefilter("ignore")
            connection = SMTP(
                box,
                hostname="mail.test",
                loop=asyncio.get_running_loop(),
                tls_context=None if from_start else tls,
                authenticator=authenticate if credentials else None,
                auth_required=credentials is not None,
                auth_require_tls=tls is not None and not from_start,
                **{"enable_SMTPUTF8": True, **options},
            )
        served.append(connection)
        return connection

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=tls if from_start else None
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for connection in served:
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for `localhost`, and the file with the certificate that clients must trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = clock.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = folder / "certificate.key"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return context, file
