import asyncio
import contextlib
import socket

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from stepiq.core.observability import metrics
from stepiq.server.assembly import built
from stepiq.server.connections.http import metrics_listener
from stepiq.server.connections.listening import AddressInUse, bind_metrics
from stepiq.server.metrics import create_metrics
from stepiq.store.database import StoreUnavailable
from tests.support import loop_time

pytestmark = pytest.mark.one_store

TOKEN = "a-token-of-the-operator"


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0


def elsewhere(app, **headers: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, client=("203.0.113.7", 50_000))
    return httpx2.AsyncClient(
        transport=transport, base_url="http://stepiq.example", headers=headers
    )


@pytest.fixture
async def client(services):
    """A client of the listener that needs no token."""
    transport = httpx2.ASGITransport(create_metrics(services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


class TestMetricsListener:
    async def test_it_answers_on_loopback_without_a_token_and_serves_nothing_else(self, services):
        services.settings = services.settings.model_copy(update={"metrics_port": 0})

        async with (
            metrics_listener(services, bind_metrics(services.settings)) as address,
            httpx2.AsyncClient() as client,
        ):
            response = await client.get(f"{address}/metrics")
            other = await client.get(f"{address}/api/pipelines")

        assert str(address).startswith("http://127.0.0.1:")
        assert response.headers["Content-Type"] == metrics.CONTENT_TYPE
        assert list(text_string_to_metric_families(response.text))
        assert (other.status_code, other.json()["code"]) == (404, "unknown_path")

    async def test_it_stays_on_loopback_if_the_server_listens_everywhere(self, services):
        changed = {"metrics_port": 0, "host": "::"}
        services.settings = services.settings.model_copy(update=changed)

        async with metrics_listener(services, bind_metrics(services.settings)) as address:
            assert str(address).startswith("http://127.0.0.1:")

    async def test_without_a_port_nothing_listens(self, services):
        async with metrics_listener(services, bind_metrics(services.settings)) as address:
            assert address is None

    async def test_a_taken_port_is_named_with_what_to_do(self, services):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            services.settings = services.settings.model_copy(update={"metrics_port": port})
            with pytest.raises(AddressInUse, match="STEPIQ_METRICS_PORT"):
                async with metrics_listener(services, bind_metrics(services.settings)):
                    pass


class TestReadMetrics:
    async def test_without_a_token_nobody_reads_them_not_even_from_this_machine(self, app):
        # A forwarder that adds no headers connects from this machine, too.
        transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as local:
            response = await local.get("/metrics")

        assert (response.status_code, response.json()["code"]) == (403, "metrics_closed")
        assert "STEPIQ_METRICS_TOKEN" in response.json()["detail"]
        assert "STEPIQ_METRICS_PORT" in response.json()["detail"]

    @pytest.mark.parametrize(
        ("header", "status"),
        [(f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), ("Bearer wrong", 401), (TOKEN, 401), ("", 401), ("Bearer é", 401)],
    )  # fmt: skip
    async def test_whoever_shows_the_token_does(self, services, app, header: str, status: int):
        services.settings = services.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})

        async with elsewhere(app) as prometheus:
            response = await prometheus.get(
                "/metrics", headers={b"Authorization": header.encode("latin-1")}
            )

        assert response.status_code == status

    async def test_connections_in_use_are_told(self, client, database):
        async with database.transaction():
            response = await client.get("/metrics")

        pool = "write" if database.is_sqlite else "all"
        assert f'stepiq_store_connections{{pool="{pool}"}} 1.0' in response.text


class TestWaiting:
    async def test_what_waits_is_told(self, client, owner, make, account):
        pipeline_id = await make.pipeline(account)
        await owner.post(f"/api/pipelines/{pipeline_id}/run", json={"input_data": {"name": "Ada"}})

        text = (await client.get("/metrics")).text

        assert 'stepiq_tickets_waiting{work="run"} 1.0' in text
        assert 'stepiq_tickets_waiting{work="delivery"} 0.0' in text
        assert "stepiq_runs_held 0.0" in text
        assert "stepiq_store_up 1.0" in text
        assert "stepiq_worker_ready 0.0" in text
        assert 0 <= sample("stepiq_oldest_ticket_age_seconds", work="run") < 60

    async def test_a_store_that_does_not_answer_takes_two_seconds_and_nothing_else(
        self, client, database, monkeypatch
    ):
        await client.get("/metrics")
        loop_time.quicken(2)

        async def stall(_session):
            await asyncio.sleep(60)

        monkeypatch.setattr("stepiq.queue.backlog.read", stall)

        response = await client.get("/metrics")

        assert response.status_code == 200
        assert "stepiq_store_up 0.0" in response.text
        assert "stepiq_tickets_waiting{" not in response.text
        assert "stepiq_runs_held NaN" in response.text

    async def test_a_store_that_is_gone_is_told(self, client, database, monkeypatch):
        @contextlib.asynccontextmanager
        async def gone():
            raise StoreUnavailable("Gone.")
            yield

        monkeypatch.setattr(database, "reading", gone)

        assert "stepiq_store_up 0.0" in (await client.get("/metrics")).text


class TestCounting:
    @pytest.mark.parametrize("prefix", ["/api", "/v1/api"])
    async def test_requests_are_counted_by_their_route(self, owner, prefix: str):
        labels = {"method": "GET", "route": "/api/runs/{run_id}"}
        before = sample("stepiq_http_requests_total", **labels, status="404")

        await owner.get(f"{prefix}/runs/0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e")

        assert sample("stepiq_http_requests_total", **labels, status="404") == before + 1
        assert sample("stepiq_http_request_duration_seconds_count", **labels) > 0

    async def test_addresses_and_methods_nobody_knows_are_one(self, app):
        client = elsewhere(app)
        labels = {"method": "other", "route": "unmatched", "status": "404"}
        before = sample("stepiq_http_requests_total", **labels)

        await client.request("BREW", "/coffee")
        await client.request("GRIND", "/beans")

        assert sample("stepiq_http_requests_total", **labels) == before + 2

    async def test_an_outage_of_the_store_is_counted(self, database, monkeypatch):
        before = sample("stepiq_store_unavailable_total")

        with pytest.raises(StoreUnavailable):
            async with database.reading():
                raise OperationalError("SELECT 1", {}, OSError())

        assert sample("stepiq_store_unavailable_total") == before + 1

    async def test_a_cancelled_run_is_counted_once_it_is_durable(self, owner, make, account):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id)
        ended = {"status": "cancelled", "trigger": "manual"}
        before = sample("stepiq_runs_ended_total", **ended)

        await owner.post(f"/api/runs/{run_id}/cancel")
        await owner.post(f"/api/runs/{run_id}/cancel")

        assert sample("stepiq_runs_ended_total", **ended) == before + 1


class TestProviders:
    async def test_failed_calls_of_each_are_exported_before_the_first(self, settings):
        async with built(settings) as services:
            providers = services.providers.ids

        assert {"openai", "local"} <= set(providers)
        text = metrics.render().decode()
        for provider in providers:
            labels = f'provider="{provider}",result="failed"'
            assert f"\nstepiq_model_calls_total{{{labels}}} " in text
