from pathlib import Path

import pytest

from stepiq.core.settings.model import load
from stepiq.server.checks import Status
from stepiq.server.checks.configuration import check_accounts
from tests.server.checks.conftest import named


class TestCheckAccounts:
    async def test_strangers_who_can_spend_the_server_s_keys_are_warned_about(self, folder: Path):
        settings = load(registration="open", openai_api_key="sk-ours-123456")

        found = named(await check_accounts(settings), "registration")

        assert found.status is Status.WARNING
        assert "key of OpenAI without limit" in found.detail

    @pytest.mark.parametrize(
        "change",
        [
            {"registration": "invite"},
            {"registration": None},
            {"openai_api_key": None},
            {"default_plan": "free"},
        ],
    )
    async def test_nothing_is_said_where_they_cannot(self, folder: Path, change: dict[str, str]):
        settings = load(**{"registration": "open", "openai_api_key": "sk-ours-123456", **change})

        assert [check.name for check in await check_accounts(settings)] == ["plans"]
