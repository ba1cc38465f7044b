import socket

import httpx2
import pytest
from pydantic import SecretStr

from stepiq.server.connections.listening import AddressInUse
from stepiq.server.health import create_probes, watched

TOKEN = "a-token-of-the-operator"


@pytest.fixture
def services(services):
    services.settings = services.settings.model_copy(
        update={"worker_port": 0, "metrics_token": SecretStr(TOKEN)}
    )
    return services


class TestWatched:
    async def test_it_answers_for_the_worker_and_serves_no_api(self, services):
        async with (
            watched(services) as address,
            httpx2.AsyncClient(base_url=address or "") as client,
        ):
            health = await client.get("/health")
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            metrics = await client.get("/metrics", headers=bearer)
            ready = await client.get("/ready")
            services.engine.is_ready = True
            carrying = await client.get("/ready")
            api = await client.get("/api/pipelines")

        assert health.json()["status"] == "ok"
        assert "stepiq_worker_ready 0.0" in metrics.text
        assert (ready.status_code, carrying.status_code) == (503, 200)
        assert (api.status_code, api.json()["code"]) == (404, "unknown_path")

    async def test_metrics_need_the_token_as_those_of_the_api_do(self, services):
        transport = httpx2.ASGITransport(create_probes(services), client=("127.0.0.1", 50_000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://worker") as stranger:
            response = await stranger.get("/metrics")

        assert (response.status_code, response.json()["code"]) == (401, "metrics_token_invalid")

    async def test_without_a_port_nothing_listens(self, services):
        services.settings = services.settings.model_copy(update={"worker_port": None})

        async with watched(services) as address:
            assert address is None

    async def test_a_taken_port_is_named_with_what_to_do(self, services):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            services.settings = services.settings.model_copy(update={"worker_port": port})
            with pytest.raises(AddressInUse, match="STEPIQ_WORKER_PORT"):
                async with watched(services):
                    pass
