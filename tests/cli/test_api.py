import pytest

from stepiq.cli.api import Api, ApiRefused, ServerUnreachable
from tests.support.fake_provider import RunningFakeProvider

pytestmark = pytest.mark.one_store


@pytest.fixture
async def api(server, owner):
    api = Api(server.url)
    api.use_token(owner.headers["Authorization"].removeprefix("Bearer "))
    yield api
    await api.close()


class TestApi:
    async def test_yaml_goes_there_and_back(self, api: Api):
        text = "name: T # a comment\nsteps: [{id: a, type: transform, template: x}]\n"

        made = await api.send_yaml("POST", "pipelines", text)

        assert await api.get_yaml(f"pipelines/{made['id']}") == text
        assert [each["id"] for each in (await api.get("pipelines", q="T"))["data"]] == [made["id"]]

    async def test_a_problem_is_told_with_its_code(self, api: Api):
        with pytest.raises(ApiRefused) as refused:
            await api.post("pipelines", {"definition": {}})

        assert refused.value.status == 422
        assert refused.value.problem == "invalid_definition"
        assert "422 (invalid_definition)" in refused.value.message

    async def test_a_stream_that_is_refused_is_a_problem_too(self, api: Api):
        unknown = "01890000-0000-7000-8000-000000000000"
        with pytest.raises(ApiRefused) as refused:
            async for _ in api.stream(f"runs/{unknown}/stream"):
                pass

        assert refused.value.problem == "run_not_found"

    async def test_an_answer_that_is_no_problem_is_shown_as_it_is(
        self, provider: RunningFakeProvider
    ):
        api = Api(f"http://127.0.0.1:{provider.port}")
        try:
            with pytest.raises(ApiRefused, match="404 \\(unknown\\)"):
                await api.get("pipelines")
        finally:
            await api.close()

    async def test_nobody_there_is_told(self):
        api = Api("http://127.0.0.1:9")
        try:
            assert not await api.is_ready()
            with pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:9 does not respond"):
                await api.get("pipelines")
        finally:
            await api.close()
