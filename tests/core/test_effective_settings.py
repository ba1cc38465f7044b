from stepiq.core.settings import model as settings
from stepiq.core.settings.effective import SettingSource, effective


def shown(**overrides):
    found = effective(settings.load(**overrides))
    return {each.name: (each.source, each.value) for each in found}


class TestEffective:
    def test_sources_are_told_apart(self, monkeypatch, tmp_path):
        file = tmp_path / "stepiq.toml"
        file.write_text(
            '[endpoints.lab]\nbase_url = "http://127.0.0.1:9000/v1"\n[plans.small]\nextends = "free"\nsteps = 3\n'
        )
        monkeypatch.setenv("STEPIQ_CONFIG_FILE", str(file))
        monkeypatch.setenv("STEPIQ_PORT", "9001")
        monkeypatch.setenv("STEPIQ_HOST", "127.0.0.2")
        monkeypatch.setenv("GEMINI_API_KEY", "a-secret-key")
        monkeypatch.setenv("STEPIQ_DATABASE_URL", "postgresql://me:pass@db/stepiq")
        monkeypatch.setenv("STEPIQ_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.0.0/16")

        found = shown(port=9002)

        assert found["STEPIQ_PORT"] == (SettingSource.COMMAND_LINE, "9002")
        assert found["STEPIQ_HOST"] == (SettingSource.ENVIRONMENT, "127.0.0.2")
        assert found["GOOGLE_API_KEY"] == (SettingSource.ENVIRONMENT, "set")
        assert found["STEPIQ_DATABASE_URL"] == (SettingSource.ENVIRONMENT, "set")
        assert found["STEPIQ_TRUSTED_PROXIES"] == (
            SettingSource.ENVIRONMENT,
            "10.0.0.0/8, 192.168.0.0/16",
        )
        assert found["STEPIQ_SMTP_URL"] == (SettingSource.DEFAULT, None)
        assert found["STEPIQ_ALLOW_UNSAFE_STORE"] == (SettingSource.DEFAULT, "false")
        assert found["endpoints.lab"] == (SettingSource.FILE, "http://127.0.0.1:9000/v1")
        assert found["plans.small"] == (SettingSource.FILE, "extends = free, steps = 3")
        assert "secret" not in str(found)
