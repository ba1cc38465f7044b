import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stepiq.core.settings.model import load
from stepiq.execution.limits.plans import UnknownPlan
from stepiq.server.checks import before_start
from stepiq.server.checks.listed import CannotStart


@pytest.mark.usefixtures("only_own_variables")
class TestBeforeStart:
    async def start(self, **settings: object) -> list[str]:
        """What a start would warn about."""
        said: list[str] = []
        await before_start(load(log_format="console", **settings), said.append)
        return said

    async def test_nothing_is_said_about_a_new_folder(self, folder: Path):
        assert await self.start() == []

    async def test_what_doctor_warns_about_is_said_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_REGISTRATON", "closed")

        said = await self.start(default_model="openai/gpt-4o")

        assert said[0] == (
            "Warning: STEPIQ_REGISTRATON is set, but this setting does not exist. Did you mean STEPIQ_REGISTRATION?"
        )
        assert said[1].startswith("Warning: STEPIQ_DEFAULT_MODEL: ")
        assert len(said) == 2

    async def test_a_warning_is_a_line_of_the_log_where_nobody_reads(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_REGISTRATON", "closed")

        with capture_logs() as logs:
            await before_start(load(log_format="json"), None)

        assert [(line["event"], line["check"]) for line in logs] == [
            ("startup_warning", "settings")
        ]

    async def test_one_error_is_raised_as_it_is(self, folder: Path):
        with pytest.raises(UnknownPlan):
            await self.start(default_plan="gold")

    async def test_several_errors_are_raised_together(self, folder: Path):
        with pytest.raises(CannotStart) as caught:
            await self.start(default_plan="gold", jwt_secret="x" * 32, master_key="eA==")

        assert [issue.path for issue in caught.value.issues] == ["master key", "plans"]

    async def test_no_provider_and_no_mail_server_is_called(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            silent.settimeout(0.2)

            await self.start(
                openai_base_url=f"http://127.0.0.1:{port}/v1",
                openai_api_key="sk-ours-123456",
                smtp_url=f"smtp://127.0.0.1:{port}",
            )

            with pytest.raises(TimeoutError):
                silent.accept()
