"""Rendering a definition as YAML can take seconds: it is done in a thread, while no transaction is open."""

import threading

import pytest

from stepiq.pipelines import service
from stepiq.pipelines.definitions.rendering import to_yaml
from tests.pipelines.conftest import DEFINITION

pytestmark = pytest.mark.both_stores

AS_YAML = {"Accept": "application/yaml"}


@pytest.fixture
async def url(owner, create):
    """Of a pipeline that was saved as JSON."""
    return f"/api/pipelines/{(await create())['id']}"


@pytest.fixture
async def renderings(app, owner, url, database, monkeypatch):
    """The thread of each rendering, and the number of connections in use meanwhile."""
    # The first request with a credential also records its use, in a transaction of its own.
    await owner.get(url)
    await app.state.doors.authenticator.settle()
    found = []

    def noted(document):
        found.append((threading.current_thread().name, sum(database.connections().values())))
        return to_yaml(document)

    monkeypatch.setattr(service, "to_yaml", noted)
    return found


class TestReading:
    @pytest.mark.parametrize("path", ["", "/versions/1"])
    async def test_a_text_is_rendered_in_a_thread(self, owner, url, renderings, path):
        response = await owner.get(url + path, headers=AS_YAML)

        assert response.text == to_yaml(DEFINITION)
        assert renderings == [("offload", 0)]


class TestStaleVersion:
    async def test_the_newest_text_is_rendered_in_a_thread(self, owner, url, renderings):
        response = await owner.put(url, json=DEFINITION, headers={"If-Match": '"v7"'})

        assert response.status_code == 412
        assert response.json()["current"]["text"] == to_yaml(DEFINITION)
        assert renderings == [("offload", 0)]

    async def test_so_it_is_when_a_version_is_restored(self, owner, url, renderings):
        response = await owner.post(f"{url}/versions/1/restore", headers={"If-Match": '"v7"'})

        assert response.json()["current"]["text"] == to_yaml(DEFINITION)
        assert renderings == [("offload", 0)]
