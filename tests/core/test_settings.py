from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from stepiq.core.settings import model as settings
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.model import RegistrationPolicy, Settings

SECRET = "hunter2-hunter2"
ORIGIN = "Use `https://` or `http://`, a host and optionally a port,"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder without a `stepiq.toml`."""
    monkeypatch.chdir(tmp_path)


class TestDefaults:
    def test_a_laptop_needs_none(self):
        found = settings.load()

        assert (found.host, found.port) == ("127.0.0.1", 8080)
        assert found.base_url == "http://127.0.0.1:8080"
        assert found.sqlite_path == Path.cwd() / ".data" / "stepiq.db"
        assert found.effective_registration is RegistrationPolicy.OPEN
        assert found.default_plan == "unlimited"

    def test_an_empty_variable_is_an_unset_one(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_PORT", "")

        assert settings.load().port == 8080

    @pytest.mark.parametrize("field", sorted(Settings.model_fields))
    def test_every_one_says_what_it_means(self, field):
        described = Settings.model_fields[field].description

        assert described
        assert described.rstrip().endswith(".")


class TestLoad:
    @pytest.mark.parametrize(
        "url", ["127.0.0.1:11434", "localhost:11434", "http://", "ftp://host/"]
    )
    def test_the_url_of_a_provider_must_be_complete(self, monkeypatch, url):
        monkeypatch.setenv("OLLAMA_BASE_URL", url)

        with pytest.raises(SettingsInvalid) as refused:
            settings.load()

        assert refused.value.message == (
            f"OLLAMA_BASE_URL: `{url}` is not valid. Use a complete URL that begins with `http://` or `https://`, such as"
            " `http://127.0.0.1:11434`."
        )

    def test_the_url_of_a_provider_has_no_password(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("OPENAI_BASE_URL", "https://user:a-password@gateway.example.com/v1")

        with pytest.raises(SettingsInvalid) as refused:
            settings.load()

        assert refused.value.message == (
            "OPENAI_BASE_URL: Remove the user name and password. Set the key of the provider instead."
        )

    @pytest.mark.parametrize("end", ["?key=a-secret", "#a-secret", "/v1?", "/v1#"])
    def test_the_url_of_a_provider_has_no_query(self, monkeypatch: pytest.MonkeyPatch, end: str):
        monkeypatch.setenv("OPENAI_BASE_URL", f"https://gateway.example.com{end}")

        with pytest.raises(SettingsInvalid) as refused:
            settings.load()

        assert refused.value.message == (
            "OPENAI_BASE_URL: Remove `?` or `#` and what follows. Set the key of the provider instead."
        )

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("10.0.0.5:8000/v1", "Use a complete URL"),
            ("http://user:a-password@10.0.0.5/v1", "Remove the user name"),
            ("http://10.0.0.5/v1?key=a-secret", "Remove `?`"),
        ],
    )
    def test_the_url_of_an_endpoint_is_checked_too(self, url: str, message: str):
        Path("stepiq.toml").write_text(f'[endpoints.lab]\nbase_url = "{url}"\n')

        with pytest.raises(SettingsInvalid) as refused:
            settings.load()

        assert f"endpoints.lab.base_url: {message}" in refused.value.message
        assert "a-" not in refused.value.message

    @pytest.mark.parametrize("value", ["yes", "1", "maybe"])
    def test_a_switch_is_true_or_false(self, monkeypatch, value):
        monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", value)

        with pytest.raises(SettingsInvalid, match="Use `true` or `false`"):
            settings.load()

    def test_variables_are_read_by_their_names(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_PORT", "9000")
        monkeypatch.setenv("STEPIQ_REGISTRATION", "closed")
        monkeypatch.setenv("STEPIQ_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1")
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)

        found = settings.load()

        assert found.port == 9000
        assert found.registration is RegistrationPolicy.CLOSED
        assert found.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("192.168.1.1"))
        assert found.openai_api_key == SecretStr(SECRET)

    @pytest.mark.parametrize("vendor", ["openai", "anthropic", "google", "mistral", "zai"])
    def test_every_maker_of_models_has_a_key_and_an_address(self, monkeypatch, vendor):
        monkeypatch.setenv(f"{vendor.upper()}_API_KEY", SECRET)
        monkeypatch.setenv(f"{vendor.upper()}_BASE_URL", "http://127.0.0.1:9")

        found = settings.load()

        assert getattr(found, f"{vendor}_api_key") == SecretStr(SECRET)
        assert getattr(found, f"{vendor}_base_url") == "http://127.0.0.1:9"
        assert SECRET not in repr(found)

    @pytest.mark.parametrize(("google", "read"), [("", "old"), ("new", "new")])
    def test_googles_key_has_an_older_name(self, monkeypatch, google, read):
        monkeypatch.setenv("GOOGLE_API_KEY", google)
        monkeypatch.setenv("GEMINI_API_KEY", "old")

        assert settings.load().google_api_key == SecretStr(read)

    def test_what_is_passed_wins_over_the_environment(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_PORT", "9000")

        assert settings.load(port=9001).port == 9001

    def test_secrets_do_not_show_when_settings_are_printed(self, monkeypatch):
        for name in ("STEPIQ_JWT_SECRET", "STEPIQ_MASTER_KEY", "OPENAI_API_KEY"):
            monkeypatch.setenv(name, SECRET * 3)
        monkeypatch.setenv("STEPIQ_SMTP_URL", f"smtp://ada:{SECRET}@mail.example.com")

        found = settings.load()

        assert SECRET not in repr(found)
        assert SECRET not in str(found.model_dump())

    @pytest.mark.parametrize(
        ("variable", "value", "demand"),
        [
            ("STEPIQ_PORT", "65536", "Use an integer from 0 to 65535."),
            ("STEPIQ_PORT", "-1", "Use an integer from 0 to 65535."),
            ("STEPIQ_PORT", "high", "Use an integer from 0 to 65535."),
            ("STEPIQ_WORKER_PORT", "9090.5", "Use an integer from 0 to 65535."),
            ("STEPIQ_RUN_RETENTION_DAYS", "-3", "Use an integer from 0 to 36500."),
            ("STEPIQ_ALLOW_UNSAFE_STORE", "maybe", "Use `true` or `false`."),
            ("STEPIQ_REGISTRATION", "opn", "Use `open`, `invite` or `closed`."),
            ("STEPIQ_LOG_FORMAT", "text", "Use `auto`, `console` or `json`."),
            (
                "STEPIQ_PUBLIC_URL",
                "example.com",
                "Write the scheme, too: `https://example.com`, or `http://example.com` without TLS.",
            ),
            ("STEPIQ_PUBLIC_URL", "example.com/stepiq", ORIGIN),
            ("STEPIQ_PUBLIC_URL", "https://example.com/stepiq", ORIGIN),
            ("STEPIQ_PUBLIC_URL", "https://example.com:port", ORIGIN),
            ("STEPIQ_PUBLIC_URL", "ftp://example.com", ORIGIN),
            ("STEPIQ_TRUSTED_PROXIES", "10.0.0.1/8", "Use address ranges separated by commas,"),
            ("STEPIQ_ALLOWED_PRIVATE_NETWORKS", "10.0.0.0/8,all", "Use address ranges separated"),
            ("STEPIQ_OTLP_CONTENT", "yes", "Use `true` or `false`."),
            ("STEPIQ_OTLP_SIGNALS", "traces,logs", "Use `traces`, `metrics` or `traces,metrics`."),
            ("STEPIQ_OTLP_SIGNALS", ",", "Use `traces`, `metrics` or `traces,metrics`."),
        ],
    )
    def test_a_wrong_one_is_shown_with_what_is_allowed(self, monkeypatch, variable, value, demand):
        monkeypatch.setenv(variable, value)

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        (issue,) = caught.value.issues
        assert issue.path == variable
        assert issue.message.startswith(f"`{value}` is not valid. {demand}")
        assert caught.value.message == f"{variable}: {issue.message}"

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("STEPIQ_DATABASE_URL", f"mysql://root:{SECRET}@db/x"),
            ("STEPIQ_JWT_SECRET", SECRET),
            ("STEPIQ_METRICS_TOKEN", SECRET),
            ("STEPIQ_SMTP_URL", SECRET),
            ("STEPIQ_PUBLIC_URL", f"https://ada:{SECRET}@example.com"),
        ],
    )
    def test_a_wrong_secret_is_named_and_not_shown(self, monkeypatch, variable, value):
        monkeypatch.setenv(variable, value)

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        assert [issue.path for issue in caught.value.issues] == [variable]
        assert variable in caught.value.message
        assert SECRET not in caught.value.message
        assert SECRET not in str(caught.value.__context__ and caught.value.issues)

    @pytest.mark.parametrize(
        "url", ["https://example.com", "http://[::1]:8080/", "http://10.0.0.1:81"]
    )
    def test_a_public_url_is_an_origin(self, url):
        assert settings.load(public_url=url).base_url == url.rstrip("/")

    @pytest.mark.parametrize("variable", ["PORT", "STEPIQ_PORT"])
    def test_only_names_with_the_prefix_are_read(self, monkeypatch, variable):
        monkeypatch.setenv(variable, "81")

        assert settings.load().port == (81 if variable == "STEPIQ_PORT" else 8080)

    @pytest.mark.parametrize(
        "variable", ["GOOGLE_API_KEY", "GEMINI_API_KEY", "STEPIQ_GOOGLE_API_KEY"]
    )
    def test_each_spelling_is_read(self, monkeypatch, variable):
        monkeypatch.setenv(variable, SECRET)

        assert settings.load().google_api_key == SecretStr(SECRET)

    def test_all_wrong_ones_are_named_at_once(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_PORT", "x")
        monkeypatch.setenv("STEPIQ_JWT_SECRET", "short")

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        assert {issue.path for issue in caught.value.issues} == {"STEPIQ_PORT", "STEPIQ_JWT_SECRET"}
        assert caught.value.message == "Settings are not valid."

    @pytest.mark.parametrize(
        ("url", "path"),
        [("sqlite:////var/lib/x.db", Path("/var/lib/x.db")), ("postgresql://u@h/n", None), ("postgres://u@h/n", None)],
    )  # fmt: skip
    def test_the_database_is_a_file_or_a_server(self, url, path):
        assert settings.load(database_url=url).sqlite_path == path

    @pytest.mark.parametrize(
        "password", ["ge@heim", "geheim@", "ge/heim", "12/geheim", "ge#heim", "ge?heim"]
    )
    def test_a_password_that_splits_the_address_is_refused_and_not_shown(
        self, monkeypatch, password
    ):
        monkeypatch.setenv(
            "STEPIQ_DATABASE_URL", f"postgresql://ada:{password}@db.example.com/flows"
        )

        with pytest.raises(SettingsInvalid, match="write @ as %40") as caught:
            settings.load()

        assert "heim" not in caught.value.message

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://ada:ge%40heim@db.example.com:5433/flows?sslmode=require",
            "postgresql://ada:geheim@[::1]:5433/flows",
            "postgresql://ada@[::1]/flows",
            "postgresql:///flows?host=/run/postgresql",
        ],
    )
    def test_an_address_that_reads_in_one_way_is_taken(self, url):
        assert settings.load(database_url=url).database_url == url


class TestCachePath:
    @pytest.mark.parametrize(
        ("platform", "variables", "path"),
        [
            ("linux", {}, "/home/ada/.cache/stepiq"),
            ("linux", {"XDG_CACHE_HOME": "/var/cache"}, "/var/cache/stepiq"),
            ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/stepiq"),
            ("darwin", {}, "/home/ada/Library/Caches/stepiq"),
            ("linux", {"STEPIQ_CACHE_DIR": "/srv/cache"}, "/srv/cache"),
            ("linux", {"STEPIQ_CACHE_DIR": "~/cache"}, "/home/ada/cache"),
        ],
    )
    def test_it_is_where_a_users_other_caches_are_unless_set(
        self, monkeypatch, platform, variables, path
    ):
        monkeypatch.setattr("sys.platform", platform)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        for name, value in {"HOME": "/home/ada", **variables}.items():
            monkeypatch.setenv(name, value)

        assert settings.load().cache_path == Path(path)

    def test_a_user_without_a_home_folder_has_it_in_the_data_folder(self, monkeypatch):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr("os.path.expanduser", lambda path: path)

        assert settings.load().cache_path == Path.cwd() / ".data" / "cache"


class TestRegistration:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
    def test_it_is_open_on_this_machine_alone(self, host):
        assert settings.load(host=host).effective_registration is RegistrationPolicy.OPEN

    @pytest.mark.parametrize(
        "given",
        [
            {"host": "0.0.0.0"},  # noqa: S104 - not bound
            {"host": "::"},
            {"host": "10.0.0.1"},
            {"host": "stepiq.local"},
            {"public_url": "https://stepiq.example.com"},
            {"trusted_proxies": "10.0.0.0/8"},
        ],
    )
    def test_it_takes_an_invitation_where_others_reach_the_server(self, given):
        assert settings.load(**given).effective_registration is RegistrationPolicy.INVITE

    @pytest.mark.parametrize("registration", RegistrationPolicy)
    @pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1"])
    def test_what_the_operator_sets_counts(self, registration, host):
        found = settings.load(host=host, registration=registration)

        assert found.effective_registration is registration


class TestConfigFile:
    def test_one_that_is_named_must_exist(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_CONFIG_FILE", "mine.toml")

        with pytest.raises(
            SettingsInvalid, match=r"STEPIQ_CONFIG_FILE: .*/mine\.toml does not exist\."
        ):
            settings.load()

    def test_endpoints_and_plans_come_from_it(self, monkeypatch):
        monkeypatch.setenv("LAB_KEY", SECRET)
        Path("stepiq.toml").write_text(
            '[endpoints.lab]\nbase_url = "http://10.0.0.5:8000/v1"\napi_key_env = "LAB_KEY"\n'
            'models = ["qwen"]\n[plans.free]\nsteps = 8\n'
        )

        found = settings.load()

        assert found.endpoints["lab"].models == ["qwen"]
        assert found.endpoints["lab"].api_key == SecretStr(SECRET)
        assert found.plans == {"free": {"steps": 8}}
        assert SECRET not in repr(found.endpoints)

    def test_an_endpoint_without_a_key_sends_none(self):
        Path("stepiq.toml").write_text('[endpoints.lab]\nbase_url = "http://10.0.0.5/v1"\n')

        assert settings.load().endpoints["lab"].api_key is None

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            (
                "[endpoint.lab]\n",
                "stepiq.toml: endpoint: Unknown table. Did you mean `endpoints`? Allowed:",
            ),
            ("not toml", "stepiq.toml: The file is not valid TOML: "),
            ("[endpoints.Lab]\nbase_url = 'x'\n", "Lab"),
            (
                "[endpoints.lab]\nbase_uri = 'x'\n",
                "stepiq.toml: endpoints.lab.base_uri: Unknown field. Did you mean `base_url`? "
                "Allowed: `base_url`, `api_key_env`, `models`, `small_model`.",
            ),
            (
                "[endpoints.lab]\n",
                "stepiq.toml: endpoints.lab.base_url: This field is required. Add it.",
            ),
            ("[endpoints.lab]\nbase_url = 3\n", "endpoints.lab.base_url: Use a string in quotes."),
            ("[endpoints.lab]\nbase_url = 'x'\nmodels = 'x'\n", "models: Use a list of strings"),
            ("endpoints = 3\n", "endpoints"),
            ("plans = 3\n", "stepiq.toml: plans: Write tables in the config file: [plans.NAME]."),
        ],
    )
    def test_what_is_wrong_in_it_is_named(self, text, named):
        Path("stepiq.toml").write_text(text)

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        issues = [f"{issue.path}: {issue.message}" for issue in caught.value.issues]
        assert named in "\n".join([caught.value.message, *issues])

    def test_everything_that_is_wrong_is_told_at_once(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_PORT", "high")
        Path("stepiq.toml").write_text(
            "[endpoint.lab]\n[endpoints.Lab]\napi_key = 'x'\n[oidc.A]\nissuer = 3\n"
        )

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        assert [issue.path for issue in caught.value.issues] == [
            "stepiq.toml: endpoint",
            "stepiq.toml: endpoints.Lab",
            "stepiq.toml: oidc.A",
            "STEPIQ_PORT",
            "stepiq.toml: endpoints.Lab.base_url",
            "stepiq.toml: endpoints.Lab.api_key",
            "stepiq.toml: oidc.A.issuer",
            "stepiq.toml: oidc.A.client_id",
        ]

    def test_one_that_is_a_folder_is_refused(self, monkeypatch, tmp_path):
        monkeypatch.setenv("STEPIQ_CONFIG_FILE", str(tmp_path))

        with pytest.raises(SettingsInvalid) as caught:
            settings.load()

        assert caught.value.message == (
            f"STEPIQ_CONFIG_FILE: {tmp_path} cannot be read: Is a directory. Use a TOML file that stepIQ may read."
        )

    @pytest.mark.parametrize("name", ["plans", "endpoints"])
    def test_the_environment_cannot_stand_in_for_it(self, monkeypatch, name):
        monkeypatch.setenv(f"STEPIQ_{name.upper()}", '{"x": {}}')

        with pytest.raises(SettingsInvalid, match=f"{name}: "):
            settings.load()

    def test_one_that_is_not_text_is_refused(self):
        Path("stepiq.toml").write_bytes(b"\xff\xfe")

        with pytest.raises(SettingsInvalid, match=r"stepiq\.toml"):
            settings.load()


class TestVariableName:
    def test_ours_have_a_prefix_and_those_of_providers_their_own_name(self):
        assert settings.variable_name("port") == "STEPIQ_PORT"
        assert settings.variable_name("openai_api_key") == "OPENAI_API_KEY"
        assert settings.variable_name("google_api_key") == "GOOGLE_API_KEY"


class TestMail:
    @pytest.mark.parametrize("url", ["http://x", "smtp://", "smtp://h:port", "smtp://h:0", "mail"])
    def test_a_mail_server_has_a_url_of_its_own(self, monkeypatch, url):
        monkeypatch.setenv("STEPIQ_SMTP_URL", url)

        with pytest.raises(SettingsInvalid, match="STEPIQ_SMTP_URL: Use `smtp://"):
            settings.load()

    @pytest.mark.parametrize(
        ("public_url", "given", "sender"),
        [
            ("", "", ("stepIQ", "stepiq@localhost")),
            ("https://ai.example.com:8443", "", ("stepIQ", "stepiq@ai.example.com")),
            ("http://[::1]:8080", "", ("stepIQ", "stepiq@localhost")),
            ("https://ai.example.com", "Ops <ops@example.com>", ("Ops", "ops@example.com")),
        ],
    )
    def test_mail_comes_from_the_servers_host_or_as_told(self, public_url, given, sender):
        assert settings.load(public_url=public_url, mail_from=given).mail_sender == sender

    def test_what_is_no_address_is_refused(self):
        with pytest.raises(SettingsInvalid, match="STEPIQ_MAIL_FROM"):
            settings.load(mail_from="nobody")
