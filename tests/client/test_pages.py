"""Lists of a server that does not end them."""

import pytest

from stepiq.client import ResponseInvalidError
from tests.support.client_twins import Twin
from tests.support.scripted_server import Answer, ScriptedServer


def page(*items: str, cursor: str | None) -> Answer:
    return Answer(body={"data": [{"id": item} for item in items], "next_cursor": cursor})


class TestPages:
    @pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]], ids=" ".join)
    async def test_a_cursor_that_comes_again_ends_the_list(
        self, twin: Twin, script: ScriptedServer, cursors: list[str]
    ):
        script.script = [page("x", cursor=cursor) for cursor in cursors]

        with pytest.raises(ResponseInvalidError) as refused:
            await twin.all(lambda client: client.pages("/api/runs"))

        assert refused.value.message.startswith(
            f"{script.url} sends the same pages of /api/runs again and again."
        )
        assert len(script.received) == len(cursors)

    async def test_an_empty_page_does_not_end_it(self, twin: Twin, script: ScriptedServer):
        script.script = [page(cursor="a"), page(cursor="b"), page("x", cursor=None)]

        found = await twin.all(lambda client: client.pages("/api/runs"))

        assert [each["id"] for each in found] == ["x"]
