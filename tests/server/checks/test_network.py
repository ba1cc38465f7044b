import socket
from pathlib import Path

import pytest

from stepiq.core.settings.model import Settings, load
from stepiq.server.checks import Status
from stepiq.server.checks.network import check_mail, check_port
from tests.server.checks.conftest import locked, named


class TestCheckServer:
    async def test_a_free_port_is_well(self, folder: Path):
        found = await check_port(load(port=0))

        assert named(found, "port").status is Status.OK

    async def test_a_port_that_something_else_has_fails(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as other:
            settings = load(port=other.getsockname()[1])
            other.close()
            with socket.socket() as bound:
                bound.bind(("127.0.0.1", settings.port))
                found = named(await check_port(settings), "port")

        assert found.error is not None
        assert "set STEPIQ_PORT to another port" in found.detail

    async def test_a_port_that_this_server_uses_is_well(self, here: Settings, server, engine):
        engine.is_ready = True
        here.data_dir.mkdir(mode=0o700, exist_ok=True)

        with locked(here):
            found = named(await check_port(load(port=server.port)), "port")

        assert found.is_running
        assert "a stepIQ server is running there" in found.detail

    async def test_a_port_that_the_server_of_another_folder_uses_fails(
        self, folder: Path, server, engine
    ):
        engine.is_ready = True

        found = named(await check_port(load(port=server.port)), "port")

        assert found.error is not None

    @pytest.mark.both_stores
    async def test_on_postgresql_any_stepiq_server_can_be_this_one(
        self, folder: Path, server, engine
    ):
        engine.is_ready = True
        settings = load(port=server.port, database_url="postgresql://u@127.0.0.1:9/none")

        assert named(await check_port(settings), "port").is_running

    async def test_mail_without_a_server_is_noted(self, here: Settings):
        found = named(await check_mail(here), "mail")

        assert found.status is Status.NOTE
        assert "STEPIQ_SMTP_URL" in found.advice

    async def test_a_mail_server_that_answers_is_well(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as mail:
            port = mail.getsockname()[1]
            settings = load(smtp_url=f"smtp://user:geheim@127.0.0.1:{port}")

            found = named(await check_mail(settings), "mail")

        assert found.detail == f"127.0.0.1:{port} responds"

    @pytest.mark.parametrize("url", ["smtp://127.0.0.1:9", "smtps://127.0.0.1", "smtp://127.0.0.1"])
    async def test_a_mail_server_that_does_not_answer_fails(self, folder: Path, url: str):
        found = named(await check_mail(load(smtp_url=url)), "mail")

        assert found.status is Status.FAILED
