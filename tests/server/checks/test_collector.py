"""`stepiq doctor` calls the OpenTelemetry collector."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stepiq.core.settings.model import Settings
from stepiq.server.checks import Status
from stepiq.server.checks.network import check_collector
from tests.support.otlp import running_collector
from tests.support.ports import free_port
from tests.support.receiver import Reply

TOKEN = "canary-of-the-headers"
ACCEPTED = Reply(body=b"")


@pytest.fixture
def settings(default_settings: Settings, tmp_path: Path) -> Settings:
    return default_settings.model_copy(update={"data_dir": tmp_path})


class TestCheckCollector:
    async def test_without_an_endpoint_there_is_nothing_to_check(self, settings: Settings):
        assert await check_collector(settings) == []

    async def test_a_collector_that_accepts_everything_is_fine(self, settings: Settings):
        async with running_collector() as collector:
            headers = SecretStr(f"x-token={TOKEN}")
            here = {"otlp_endpoint": collector.url, "otlp_headers": headers}

            (check,) = await check_collector(settings.model_copy(update=here))

        assert check.status is Status.OK
        assert check.detail == f"{collector.url} accepts traces and metrics"
        assert [each.path for each in collector.receiver.received] == ["/v1/traces", "/v1/metrics"]
        assert collector.receiver.received[0].headers["x-token"] == TOKEN

    async def test_a_backend_without_metrics_gets_advice(self, settings: Settings):
        async with running_collector() as collector:
            collector.receiver.reply_with(ACCEPTED, 405)

            (check,) = await check_collector(
                settings.model_copy(update={"otlp_endpoint": collector.url})
            )

        assert check.status is Status.FAILED
        assert check.detail == f"{collector.url}/v1/metrics does not accept metrics: status 405."
        assert "STEPIQ_OTLP_SIGNALS to `traces`" in check.advice
        assert check.error is None

    async def test_one_that_does_not_listen_is_reported_without_the_headers(
        self, settings: Settings
    ):
        here = {
            "otlp_endpoint": f"http://127.0.0.1:{free_port()}",
            "otlp_headers": SecretStr(f"x-token={TOKEN}"),
        }

        (check,) = await check_collector(settings.model_copy(update=here))

        assert check.status is Status.FAILED
        assert (
            check.detail
            == f"{here['otlp_endpoint']} does not respond: no connection (ConnectError)."
        )
        assert check.advice.startswith("Start the collector, or correct STEPIQ_OTLP_ENDPOINT.")
        assert TOKEN not in f"{check.detail}{check.advice}"
