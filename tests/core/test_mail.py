import asyncio
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.settings import model as settings
from tests.support import loop_time
from tests.support.mail import certificate, kept, mail_server

OPERATORS = "The email of this server does not work at the moment. The operator can find the reason in the log."
HELLO = MailMessage("ada@example.com", "Hello", "Good morning, Ada.\n")
PASSWORD = "p@ss/word?%"
QUOTED = "p%40ss%2Fword%3F%25"


@pytest.fixture
def mailer(tmp_path: Path):
    """Makes a mailer for an SMTP URL."""

    def mailer(url: str | None = None, **options: str) -> Mailer:
        config = tmp_path / "stepiq.toml"
        return Mailer(settings.load(smtp_url=url, data_dir=tmp_path, config_file=config, **options))

    return mailer


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server's TLS that this process trusts."""
    context, file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


class TestFolder:
    async def test_without_a_server_mail_becomes_files(self, mailer, tmp_path):
        sender = mailer()

        await sender.send(HELLO)
        await sender.send(HELLO)

        assert not sender.has_server
        [first, second] = kept(tmp_path)
        assert first["To"] == "ada@example.com"
        assert first["From"] == "stepIQ <stepiq@localhost>"
        assert first["Subject"] == "Hello"
        assert first.get_content() == HELLO.text
        assert first["Message-ID"] != second["Message-ID"]

    async def test_only_their_owner_can_read_them(self, mailer, tmp_path):
        await mailer().send(HELLO)

        [file] = (tmp_path / "mail").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    async def test_a_folder_that_cannot_be_written_is_told(self, mailer, tmp_path):
        (tmp_path / "mail").write_text("in the way")

        with pytest.raises(MailUnsent, match="cannot be written"):
            await mailer().send(HELLO)

    async def test_an_address_beyond_ascii_is_kept(self, mailer, tmp_path):
        await mailer().send(MailMessage("zoë@example.com", "Grüße", "Grüße\n"))

        [mail] = kept(tmp_path)
        assert (mail["To"], mail["Subject"]) == ("zoë@example.com", "Grüße")

    @pytest.mark.parametrize("text", ["Open\n", "Öffne\n"])
    async def test_a_link_can_be_copied_from_the_file(self, mailer, tmp_path, text):
        link = f"https://stepiq.example/reset-password#token={'x' * 43}=="

        await mailer().send(MailMessage("ada@example.com", "Hello", f"{text}{link}\n"))

        [file] = (tmp_path / "mail").iterdir()
        assert link in file.read_text()
        assert kept(tmp_path)[0].get_content() == f"{text}{link}\n"

    async def test_a_line_longer_than_mail_may_have_is_kept_all_the_same(self, mailer, tmp_path):
        await mailer().send(MailMessage("ada@example.com", "Hello", f"{'x' * 5_000}\n"))

        [file], [mail] = (tmp_path / "mail").iterdir(), kept(tmp_path)
        assert max(len(line) for line in file.read_bytes().splitlines()) < 999
        assert mail.get_content() == f"{'x' * 5_000}\n"


class TestServer:
    async def test_mail_reaches_it(self, mailer):
        async with mail_server() as box:
            sender = mailer(f"smtp://127.0.0.1:{box.port}", mail_from="Ops <ops@example.com>")
            await sender.send(
                MailMessage("ada@example.com", "Grüße", "Grüße\n", html="<p>Grüße</p>")
            )

        assert sender.has_server
        [mail] = box.taken
        assert box.recipients == ["ada@example.com"]
        assert (mail["From"], mail["Subject"]) == ("Ops <ops@example.com>", "Grüße")
        parts = [(part.get_content_subtype(), part.get_content()) for part in mail.iter_parts()]
        assert parts == [("plain", "Grüße\n"), ("html", "<p>Grüße</p>\n")]

    async def test_user_and_password_are_read_from_the_url(self, mailer):
        async with mail_server(credentials=("a@b", PASSWORD)) as box:
            await mailer(f"smtp://a%40b:{QUOTED}@127.0.0.1:{box.port}").send(HELLO)

        assert len(box.taken) == 1

    async def test_the_connection_is_encrypted_when_that_is_offered(self, mailer, tls):
        async with mail_server(tls=tls, credentials=("ada", PASSWORD)) as box:
            await mailer(f"smtp://ada:{QUOTED}@localhost:{box.port}").send(HELLO)

        assert box.encrypted == [True]

    async def test_smtps_is_encrypted_from_its_start(self, mailer, tls):
        async with mail_server(tls=tls, from_start=True) as box:
            await mailer(f"smtps://localhost:{box.port}").send(HELLO)

        assert len(box.taken) == 1

    async def test_a_certificate_of_nobody_is_refused(self, mailer, tmp_path):
        context, _ = certificate(tmp_path)
        async with mail_server(tls=context, from_start=True) as box:
            with pytest.raises(MailUnsent):
                await mailer(f"smtps://localhost:{box.port}").send(HELLO)

        assert box.taken == []

    async def test_no_password_goes_to_another_machine_in_clear(self, mailer, monkeypatch):
        look_up = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda _, *rest, **options: look_up("127.0.0.1", *rest, **options),
        )
        async with mail_server(credentials=("ada", PASSWORD)) as box:
            with pytest.raises(MailUnsent, match="TLS") as caught:
                await mailer(f"smtp://ada:{QUOTED}@mail.example:{box.port}").send(HELLO)

        assert box.taken == []
        assert not caught.value.is_permanent

    async def test_a_wrong_password_is_told_without_it(self, mailer):
        async with mail_server(credentials=("ada", "another")) as box:
            with pytest.raises(MailUnsent, match="rejected the user and password") as caught:
                await mailer(f"smtp://ada:{QUOTED}@127.0.0.1:{box.port}").send(HELLO)

        assert PASSWORD not in str(caught.value)
        assert not caught.value.is_permanent

    @pytest.mark.parametrize(
        ("command", "answer", "is_permanent"),
        [
            ("RCPT", "550 no such user", True),
            ("RCPT", "450 greylisted", False),
            ("MAIL", "553 not yours", True),
            ("DATA", "554 spam", True),
            ("DATA", "451 later", False),
        ],
    )
    async def test_a_refusal_says_whether_it_is_final(self, mailer, command, answer, is_permanent):
        async with mail_server() as box:
            box.refuse[command] = answer
            with pytest.raises(MailUnsent) as caught:
                await mailer(f"smtp://127.0.0.1:{box.port}").send(HELLO)

        assert answer in str(caught.value)
        assert caught.value.is_permanent is is_permanent

    @pytest.mark.parametrize(
        ("command", "answer", "told"),
        [
            (
                "RCPT",
                "550 5.1.1 no such user",
                "The mail server rejected the recipient: 550 5.1.1 no such user",
            ),
            (
                "RCPT",
                "553 5.7.1 Sender address rejected: not owned by user ada",
                "The mail server rejected the recipient: 553.",
            ),
            ("DATA", "554 spam", "The mail server rejected the mail: 554 spam"),
            ("MAIL", "553 not yours", OPERATORS),
        ],
    )
    async def test_users_are_told_what_concerns_their_mail(self, mailer, command, answer, told):
        async with mail_server() as box:
            box.refuse[command] = answer
            with pytest.raises(MailUnsent) as caught:
                await mailer(f"smtp://127.0.0.1:{box.port}").send(HELLO)

        assert caught.value.reason_for_users(has_link=False) == told

    async def test_the_log_has_the_reason_of_a_refusal_before_the_mail_was_sent(self, mailer):
        async with mail_server() as box:
            box.refuse["MAIL"] = "553 not yours"
            with pytest.raises(MailUnsent) as caught:
                await mailer(f"smtp://127.0.0.1:{box.port}").send(HELLO)

        assert caught.value.confidential_reason == (
            f"The mail server 127.0.0.1:{box.port} rejected the sender; see STEPIQ_MAIL_FROM: 553 not yours"
        )

    async def test_users_are_not_told_the_address_of_the_server(self, mailer):
        async with mail_server() as box:
            pass
        with pytest.raises(MailUnsent) as caught:
            await mailer(f"smtp://127.0.0.1:{box.port}").send(HELLO)

        told = {caught.value.reason_for_users(has_link=each) for each in (True, False)}
        assert told == {OPERATORS}

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (socket.EAI_NONAME, "the name mail.example has no address. Correct the host"),
            (socket.EAI_AGAIN, "DNS gave no answer for mail.example. Check the host"),
        ],
    )
    async def test_a_name_that_is_not_found_is_told(self, mailer, monkeypatch, number, said):
        def look_up(*_: object, **__: object) -> list[object]:
            raise socket.gaierror(number, "no")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

        with pytest.raises(MailUnsent, match=f"mail.example:25 cannot be reached: {said}"):
            await mailer("smtp://mail.example:25").send(HELLO)

    async def test_a_server_that_is_gone_is_told(self, mailer):
        async with mail_server() as box:
            pass

        with pytest.raises(MailUnsent, match=f"127.0.0.1:{box.port} cannot be reached") as caught:
            await mailer(f"smtp://ada:{QUOTED}@127.0.0.1:{box.port}").send(HELLO)

        assert QUOTED not in str(caught.value)
        assert PASSWORD not in str(caught.value)

    async def test_a_server_that_says_nothing_is_not_waited_for(self, mailer):
        loop_time.quicken(20)
        listener = socket.create_server(("127.0.0.1", 0))

        with listener, pytest.raises(MailUnsent, match="in time"):
            await mailer(f"smtp://127.0.0.1:{listener.getsockname()[1]}").send(HELLO)

    async def test_a_server_that_waits_for_tls_is_a_wrong_scheme(self, mailer, tls):
        loop_time.quicken(20)
        async with mail_server(tls=tls, from_start=True) as box:
            with pytest.raises(MailUnsent, match="write smtps:// instead of smtp://"):
                await mailer(f"smtp://localhost:{box.port}").send(HELLO)

    async def test_a_server_that_hangs_up_is_told(self, mailer):
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            with pytest.raises(MailUnsent, match="it closed the connection"):
                await mailer(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}").send(HELLO)

    async def test_an_address_beyond_ascii_needs_a_server_that_knows_them(self, mailer):
        async with mail_server() as box:
            await mailer(f"smtp://127.0.0.1:{box.port}").send(
                MailMessage("zoë@example.com", "x", "x")
            )
        async with mail_server(enable_SMTPUTF8=False) as plain:
            with pytest.raises(MailUnsent, match="SMTPUTF8") as caught:
                await mailer(f"smtp://127.0.0.1:{plain.port}").send(
                    MailMessage("zoë@example.com", "x", "x")
                )

        assert box.recipients == ["zoë@example.com"]
        assert caught.value.is_permanent


class TestMessage:
    async def test_no_text_adds_a_header(self, mailer, tmp_path):
        await mailer().send(
            MailMessage(
                "ada@example.com",
                "Hello\r\nBcc: eve@example.com\n\nbody",
                "x",
                headers={"X-Note": "1\r\nBcc: eve@example.com", "Message-ID": "<run.1@here>"},
            )
        )

        [mail] = kept(tmp_path)
        assert mail["Bcc"] is None
        assert mail["Subject"] == "Hello Bcc: eve@example.com body"
        assert mail["X-Note"] == "1 Bcc: eve@example.com"
        assert mail["Message-ID"] == "<run.1@here>"

    @pytest.mark.parametrize("to", ["ada", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.e"])
    async def test_what_is_no_address_is_refused_for_good(self, mailer, to):
        with pytest.raises(MailUnsent) as caught:
            await mailer().send(MailMessage(to, "x", "x"))

        assert caught.value.is_permanent

    @pytest.mark.parametrize("name", ["Bcc", "from", "Content-Type", "X Y", "X:Y", ""])
    async def test_headers_that_are_ours_cannot_be_given(self, mailer, name):
        with pytest.raises(ValueError, match="header"):
            await mailer().send(MailMessage("a@b.example", "x", "x", headers={name: "x"}))

    @hypothesis_settings(max_examples=100, deadline=None)
    @given(subject=st.text(), text=st.text(), value=st.text())
    def test_whatever_it_says_it_has_our_headers_and_one_text(self, subject, text, value):
        from stepiq.core.mail import _compose
        from tests.support.mail import read

        message = MailMessage("ada@example.com", subject, text, headers={"X-Note": value})

        mail = read(_compose(message, ("stepIQ", "a@b.example")).as_bytes())

        assert set(mail.keys()) == {
            "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Note",
            "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
        }  # fmt: skip
        assert not mail.is_multipart()
