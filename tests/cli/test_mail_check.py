"""`stepiq mail test`, with real mail servers on loopback."""

import asyncio
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Said
from tests.support.mail import certificate, kept, mail_server
from tests.support.ports import free_port


@pytest.fixture
def send(command: Command):
    async def send(url: str, address: str = "ada@example.com", **environment: str) -> Said:
        command.environment |= {"STEPIQ_SMTP_URL": url, **environment}
        return await command("mail", "test", address)

    return send


class TestSend:
    async def test_the_message_arrives_and_what_to_do_if_not_is_told(self, send):
        async with mail_server() as box:
            said = await send(f"smtp://127.0.0.1:{box.port}", STEPIQ_MAIL_FROM="Ops <ops@example.org>")  # fmt: skip

        assert (said.code, said.out) == (0, "")
        [mail] = box.taken
        assert box.recipients == ["ada@example.com"]
        assert (mail["From"], mail["Subject"]) == ("Ops <ops@example.org>", "Test message from stepIQ")  # fmt: skip
        first, second = said.err.splitlines()
        assert first == f"Sending a test message from ops@example.org to ada@example.com through 127.0.0.1:{box.port} ..."  # fmt: skip
        assert second.startswith("The mail server accepted the message. If it does not arrive,")

    async def test_it_uses_user_password_and_tls(self, send, tmp_path: Path):
        context, file = certificate(tmp_path)
        async with mail_server(tls=context, credentials=("ada", "p@ss")) as box:
            said = await send(f"smtp://ada:p%40ss@localhost:{box.port}", SSL_CERT_FILE=str(file))

        assert said.code == 0, said
        assert box.encrypted == [True]


def told(said: Said) -> str:
    """The error of a command that failed."""
    assert (said.code, said.out) == (1, "")
    return said.err.splitlines()[-1]


class TestFailures:
    async def test_a_wrong_host(self, send):
        said = await send("smtp://mail.invalid:2525")

        place = "Error: The mail server mail.invalid:2525 cannot be reached: "
        assert told(said) in (
            f"{place}the name mail.invalid has no address. "
            "Correct the host and port in STEPIQ_SMTP_URL, or start the mail server.",
            # On a machine without DNS.
            f"{place}DNS gave no answer for mail.invalid. Check the host in STEPIQ_SMTP_URL, the network, and the "
            "DNS servers of this machine.",
        )

    async def test_a_wrong_port(self, send):
        said = await send(f"smtp://127.0.0.1:{free_port()}")

        assert "cannot be reached: no server listens on this port." in told(said)

    async def test_a_refused_login_without_the_password(self, send):
        async with mail_server(credentials=("ada", "another")) as box:
            said = await send(f"smtp://ada:wrong-word@127.0.0.1:{box.port}")

        assert told(said) == (
            f"Error: The mail server 127.0.0.1:{box.port} rejected the user and password in STEPIQ_SMTP_URL (535). "
            "Correct them. Write special characters in percent-encoding, such as %40 for @."
        )
        assert "wrong-word" not in said.err

    async def test_a_certificate_that_is_not_trusted(self, send, tmp_path: Path):
        context, _ = certificate(tmp_path)
        async with mail_server(tls=context, from_start=True) as box:
            first = await send(f"smtps://localhost:{box.port}")
        async with mail_server(tls=context) as box:
            second = await send(f"smtp://localhost:{box.port}")

        for said in (first, second):
            message = told(said)
            assert "failed the TLS handshake: its certificate is not trusted (self-signed certificate)." in message  # fmt: skip
            assert "SSL_CERT_FILE" in message

    async def test_a_server_without_tls(self, send):
        async with mail_server() as box:
            said = await send(f"smtps://localhost:{box.port}")

        message = told(said)
        assert "failed the TLS handshake: " in message
        assert "write smtp:// instead of smtps://." in message

    async def test_a_refused_recipient(self, send):
        async with mail_server() as box:
            box.refuse["RCPT"] = "550 no such user"
            said = await send(f"smtp://127.0.0.1:{box.port}")

        assert told(said) == f"Error: The mail server 127.0.0.1:{box.port} rejected the recipient: 550 no such user"  # fmt: skip

    async def test_a_server_of_another_protocol(self, send):
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            said = await send(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")

        assert "does not use SMTP." in told(said)

    async def test_no_server_at_all(self, command: Command, tmp_path: Path):
        said = await command("mail", "test", "ada@example.com")

        assert "No mail server is configured" in told(said)
        assert kept(tmp_path / "data") == []

    async def test_what_is_no_address_is_a_usage_error(self, send):
        said = await send("smtp://127.0.0.1:1", address="ada")

        assert said.code == 2
        assert "`ada` is not an email address." in said.err
