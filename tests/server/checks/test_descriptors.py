import pytest

from stepiq.core.settings.model import Settings
from stepiq.server import process
from stepiq.server.checks import Status
from stepiq.server.checks.machine import check_descriptors


class TestCheckDescriptors:
    async def test_it_shows_the_limit(self, here: Settings, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(process, "raise_file_limit", lambda: 20_000)

        (found,) = await check_descriptors(here)

        assert found.status is Status.OK
        assert found.detail == "a process can open 20,000 files and connections"

    async def test_a_limit_too_small_for_the_settings_is_a_warning(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(process, "raise_file_limit", lambda: 1_024)

        (found,) = await check_descriptors(here)

        assert found.status is Status.WARNING
        assert "accepts 512 connections instead of 4,000 (STEPIQ_MAX_CONNECTIONS)" in found.detail
        assert "`LimitNOFILE=5500`" in found.advice

    async def test_fewer_connections_need_a_smaller_limit(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(process, "raise_file_limit", lambda: 1_024)

        (found,) = await check_descriptors(here.model_copy(update={"max_connections": 512}))

        assert found.status is Status.OK
