"""The settings of the export to OpenTelemetry."""

import pytest
from pydantic import SecretStr

from stepiq.core.settings import model as settings
from stepiq.core.settings import otlp as otlp_settings
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.otlp import OtlpSignal

TOKEN = "canary-of-the-headers"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class TestDefaults:
    def test_nothing_is_exported(self):
        found = settings.load()

        assert not any(found.exports(signal) for signal in OtlpSignal)
        assert not found.otlp_content

    def test_an_endpoint_gets_all_signals(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_OTLP_ENDPOINT", "http://127.0.0.1:4318/")

        found = settings.load()

        assert found.otlp_endpoint == "http://127.0.0.1:4318"
        assert all(found.exports(signal) for signal in OtlpSignal)

    @pytest.mark.parametrize("value", ["traces", " Traces ,", "traces,traces"])
    def test_signals_can_be_selected(self, monkeypatch, value):
        monkeypatch.setenv("STEPIQ_OTLP_ENDPOINT", "https://otel.example.com/tenant")
        monkeypatch.setenv("STEPIQ_OTLP_SIGNALS", value)

        found = settings.load()

        assert found.exports(OtlpSignal.TRACES)
        assert not found.exports(OtlpSignal.METRICS)


class TestCheckedEndpoint:
    @pytest.mark.parametrize(
        ("url", "demand"),
        [
            ("127.0.0.1:4318", "Use a complete URL"),
            ("grpc://127.0.0.1:4317", "Use a complete URL"),
            ("http://", "Use a complete URL"),
            ("http://host:port", "Use a complete URL"),
            ("http://[::1", "Use a complete URL"),
            ("http://host:4318?key=x", "Use a complete URL"),
            ("http://host:4318/v1/traces", "Remove the end of the path"),
            ("http://host:4318/v1/traces/", "Remove the end of the path"),
            (f"http://user:{TOKEN}@host:4318", "put credentials in STEPIQ_OTLP_HEADERS"),
        ],
    )
    def test_a_wrong_one_is_refused_with_advice(self, monkeypatch, url, demand):
        monkeypatch.setenv("STEPIQ_OTLP_ENDPOINT", url)

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        (issue,) = caught.value.issues
        assert issue.path == "STEPIQ_OTLP_ENDPOINT"
        assert demand in issue.message
        assert TOKEN not in issue.message


class TestReadHeaders:
    def test_values_are_decoded_as_in_urls(self):
        given = SecretStr("Authorization=Bearer%20a%2Cb==, x-team = ops ,")

        assert otlp_settings.read_headers(given) == {
            "Authorization": "Bearer a,b==",
            "x-team": "ops",
        }

    @pytest.mark.parametrize(
        "value",
        [
            TOKEN,
            f"={TOKEN}",
            f"a b={TOKEN}",
            f"x={TOKEN}%0D%0Ay: z",
            "x=",
            f"x={TOKEN}%C3%A9",
            f"Content-Type={TOKEN}",
            f"host={TOKEN}",
        ],
    )
    def test_a_wrong_value_is_refused_and_not_shown(self, monkeypatch, value):
        monkeypatch.setenv("STEPIQ_OTLP_HEADERS", value)

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        (issue,) = caught.value.issues
        assert issue.path == "STEPIQ_OTLP_HEADERS"
        assert TOKEN not in str(caught.value) + issue.message

    def test_the_value_does_not_show_when_settings_are_printed(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_OTLP_HEADERS", f"x={TOKEN}")

        assert TOKEN not in repr(settings.load())
