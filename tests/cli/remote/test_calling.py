"""Lists of a server that does not end them."""

from collections.abc import AsyncIterator

import pytest

from stepiq.cli.remote.calling import everything
from stepiq.client import AsyncClient, ResponseInvalidError
from tests.cli.conftest import Command
from tests.cli.remote.conftest import problem
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server

_COMMANDS = [
    ["pull", "flows"],
    ["apply", "flows", "--yes"],
    ["diff", "flows"],
    ["pipelines", "list"],
    ["runs", "list"],
    ["runs", "logs", "01890000-0000-7000-8000-000000000000"],
    ["reviews", "list"],
    ["secrets", "list"],
]


@pytest.fixture
async def endless() -> AsyncIterator[ScriptedServer]:
    """A server that returns the same empty page for all requests."""
    async with scripted_server() as server:
        server.otherwise = Answer(body={"data": [], "next_cursor": "again"})
        yield server


class TestEverything:
    @pytest.mark.parametrize("arguments", _COMMANDS, ids=lambda each: " ".join(each[:2]))
    async def test_a_page_that_comes_again_ends_the_command(
        self, command: Command, endless: ScriptedServer, arguments: list[str]
    ):
        (command.folder / "flows").mkdir()
        (command.folder / "flows" / "a.yaml").write_text("name: A\nsteps: []\n")
        command.environment |= {"STEPIQ_SERVER": endless.url, "STEPIQ_API_KEY": "sk_live_x"}

        said = await command(*arguments)

        assert said.code == 3
        assert f"{endless.url} sends the same pages of /api/" in problem(said)["message"]

    async def test_more_items_than_a_list_has_end_it(self, endless: ScriptedServer):
        items = [{"id": "x"}] * 60_000
        endless.script = [Answer(body={"data": items, "next_cursor": each}) for each in "ab"]

        with pytest.raises(ResponseInvalidError) as refused:
            async with AsyncClient(endless.url, api_key="x") as client:
                await everything(client, "/api/pipelines")

        assert refused.value.message.startswith(
            f"{endless.url} does not end the list /api/pipelines: it has sent 120,000 items on 2 pages."
        )

    @pytest.mark.slow
    async def test_more_pages_than_a_list_has_end_it(self, endless: ScriptedServer):
        endless.script = [
            Answer(body={"data": [], "next_cursor": str(number)}) for number in range(10_001)
        ]

        with pytest.raises(ResponseInvalidError, match="0 items on 10,001 pages"):
            async with AsyncClient(endless.url, api_key="x") as client:
                await everything(client, "/api/runs", limit=20)
