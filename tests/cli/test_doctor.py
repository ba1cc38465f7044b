import fcntl
import json
import os
import shutil
import socket
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stepiq.billing.errors import UnknownPlan
from stepiq.core.settings import Settings, load
from stepiq.engine.providers.local_weights import weights_path
from stepiq.engine.sandbox import walls
from stepiq.server.checks import Check, Status, before_start, models
from stepiq.server.checks.accounts import check_accounts
from stepiq.server.checks.configuration import check_settings
from stepiq.server.checks.listed import CannotStart
from stepiq.server.checks.models import check_default_model, check_providers
from stepiq.server.checks.network import check_mail, check_port
from stepiq.server.checks.sandbox import check_sandbox
from stepiq.server.checks.secrets import check_secrets
from stepiq.server.checks.store import check_store
from stepiq.store import migrate, safety
from stepiq.store.database import Database, UnsafeStore
from stepiq.store.migrate import known_revisions
from tests.cli.conftest import Cli
from tests.support.anthropic_server import AnthropicServer
from tests.support.fake_provider import RunningFakeProvider

UNSAFE = UnsafeStore("It loses things. Turn it on.")
OLD = safety.StoreUnsupported("It is PostgreSQL 14. Use another.")


@pytest.fixture
def only_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without those of the suite, which no server knows."""
    for name in list(os.environ):
        if name.startswith("STEPIQ_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def here(folder: Path) -> Settings:
    return load()


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """As if a server used the database."""
    path = settings.sqlite_path
    assert path is not None
    with open(f"{path}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def named(found: list[Check], name: str) -> Check:
    return next(check for check in found if check.name == name)


class TestDoctor:
    def test_a_new_folder_works(self, cli: Cli):
        said = cli("doctor")

        assert said.code == 0
        assert "Everything that is configured works." in said.out
        assert "default model" in said.out

    def test_looking_makes_nothing(self, cli: Cli, folder: Path):
        cli("doctor")

        assert list(folder.iterdir()) == []

    def test_what_keeps_a_server_from_starting_is_counted(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DEFAULT_PLAN", "gold")

        said = cli("doctor")

        assert said.code == 1
        assert "FAILED   plans" in said.out
        assert "1 of " in said.out
        assert "`stepiq serve` cannot start until you fix the problems above." in said.out

    def test_settings_that_cannot_be_read_are_the_only_thing_told(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_PORT", "high")

        found = json.loads(cli("doctor", "--json").out)

        assert found["ok"] is False
        (check,) = found["checks"]
        assert check["name"] == "STEPIQ_PORT"
        assert check["detail"] == "`high` is not valid. Use an integer from 0 to 65535."
        assert cli("doctor").out.endswith(
            "\n\n`stepiq serve` cannot start until you correct the settings above. Nothing else was checked.\n"
        )

    def test_a_host_that_is_not_of_this_machine_keeps_a_server_from_starting(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_HOST", "no-such-host.invalid")

        said = cli("doctor")

        assert said.code == 1
        assert "Set STEPIQ_HOST or --host to one of its addresses" in said.out
        assert "`stepiq serve` cannot start until you fix the problems above." in said.out

    def test_a_server_that_is_running_need_not_be_started(self, cli: Cli, here: Settings):
        here.data_dir.mkdir(mode=0o700)
        with locked(here):
            said = cli("doctor")

        assert said.code == 0
        assert said.out.endswith("Everything that is configured works. The server is running.\n")

    def test_a_database_that_does_not_answer_is_reported_once(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATABASE_URL", "postgresql://u@127.0.0.1:9/none")

        with capture_logs() as logs:
            said = cli("doctor")

        assert said.out.count("FAILED") == 1
        assert logs == []

    def test_json_has_one_object_for_each_check(self, cli: Cli):
        found = json.loads(cli("doctor", "--json").out)

        assert found["ok"] is True
        assert found["checks"][0] == {
            "name": "settings",
            "status": "ok",
            "detail": "STEPIQ_DATA_DIR",
            "advice": "",
        }


class TestCheckSandbox:
    async def test_it_says_what_isolates_code(self, here: Settings):
        if walls.missing():
            pytest.skip("This system lacks some of the protections.")

        (found,) = await check_sandbox(here)

        assert found.status is Status.OK
        assert "a system call filter and Landlock" in found.detail

    async def test_what_the_system_lacks_is_named_by_doctor_and_at_the_start(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("stepiq.engine.sandbox.landlock.version", lambda: 0)
        monkeypatch.setattr("stepiq.engine.sandbox.seccomp.available", lambda: False)
        announced: list[str] = []

        (found,) = await check_sandbox(here)
        await before_start(here, announced.append)

        assert found.status is Status.WARNING
        assert "without a system call filter (seccomp) and Landlock" in found.detail
        assert sum("Landlock" in line for line in announced) == 1

    async def test_root_that_cannot_switch_users_runs_no_code(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(walls, "can_switch_user", lambda: False)

        (found,) = await check_sandbox(here)

        assert found.status is Status.FAILED
        assert found.error is None
        assert "`code` steps fail" in found.detail

    async def test_root_that_can_switch_users_does(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(walls, "can_switch_user", lambda: True)
        monkeypatch.setattr(walls, "missing", list)

        (found,) = await check_sandbox(here)

        assert "a user of its own" in found.detail

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_whether_it_can_switch_users_is_tried(self, monkeypatch: pytest.MonkeyPatch):
        assert walls.can_switch_user()

        monkeypatch.setattr(walls, "__name__", "stepiq.nowhere")
        assert not walls.can_switch_user()


class TestCheckStore:
    async def test_a_database_that_is_up_to_date_is_well(self, settings: Settings):
        found = named(await check_store(settings), "database")

        assert found.status is Status.OK
        assert "schema " in found.detail

    async def test_an_older_schema_is_brought_up_by_serve(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        newer = ["9999", *known_revisions()]
        monkeypatch.setattr(migrate, "known_revisions", lambda: newer)

        found = named(await check_store(settings), "database")

        assert found.status is Status.NOTE
        assert "stepiq migrate" in found.advice

    async def test_a_newer_schema_fails(self, settings: Settings, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(migrate, "known_revisions", lambda: ["0001"])

        found = named(await check_store(settings), "database")

        assert found.status is Status.FAILED
        assert "of a newer stepIQ" in found.detail

    async def test_an_empty_database_is_set_up_by_serve(self, settings: Settings):
        database = Database(settings)
        migrate.downgrade(database.url, "base")
        await database.close()

        assert "empty" in named(await check_store(settings), "database").detail

    async def test_a_database_that_does_not_answer_fails(self, folder: Path):
        settings = load(database_url="postgresql://u:geheim@127.0.0.1:9/none")

        found = named(await check_store(settings), "database")

        assert found.status is Status.FAILED
        assert "geheim" not in found.detail

    async def test_a_file_that_is_no_database_fails(self, here: Settings):
        here.data_dir.mkdir(mode=0o700)
        (here.data_dir / "stepiq.db").write_text("a letter, not a database " * 100)

        assert named(await check_store(here), "database").status is Status.FAILED

    @pytest.mark.parametrize(
        ("flaw", "is_allowed", "status"),
        [
            (UNSAFE, False, Status.FAILED),
            (UNSAFE, True, Status.WARNING),
            (OLD, True, Status.FAILED),
        ],
    )
    async def test_what_is_wrong_with_a_database_server_is_told(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, flaw, is_allowed, status
    ):
        monkeypatch.setattr(safety, "flaws", lambda _: [flaw])
        settings = settings.model_copy(update={"allow_unsafe_store": is_allowed})

        found = named(await check_store(settings), "database server")

        assert found.status is status
        assert found.detail == flaw.message

    async def test_a_folder_that_others_can_open_is_closed_by_the_start(self, here: Settings):
        here.data_dir.mkdir()
        here.data_dir.chmod(0o755)

        found = named(await check_store(here), "data folder")

        assert found.status is Status.WARNING
        assert "closes it to them when it starts" in found.advice

    async def test_somebody_elses_folder_that_is_open_to_all_fails(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        here.data_dir.mkdir()
        here.data_dir.chmod(0o755)
        owner = here.data_dir.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

        found = named(await check_store(here), "data folder")

        assert found.error is not None
        assert "chmod o-rwx" in found.detail

    async def test_a_folder_of_ones_own_is_well(self, here: Settings):
        here.data_dir.mkdir(mode=0o700)

        assert named(await check_store(here), "data folder").status is Status.OK

    async def test_a_full_disk_is_noted(self, here: Settings, monkeypatch: pytest.MonkeyPatch):
        here.data_dir.mkdir(mode=0o700)
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1024**2))

        assert "1 MiB left" in named(await check_store(here), "data folder").detail

    # Even root can create nothing in these.
    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            ("/proc/self/data", "/proc/self/data cannot be created: The server cannot write to "),
            ("/proc/self", "The server cannot write to /proc/self (No such file or directory)."),
        ],
    )
    async def test_a_folder_that_cannot_be_written_fails(
        self, folder: Path, path: str, problem: str
    ):
        (found,) = await check_store(load(data_dir=path))

        assert found.error is not None
        assert found.detail.startswith(problem)
        assert "STEPIQ_DATA_DIR" in found.detail

    @pytest.mark.parametrize("path", ["afile", "afile/data"])
    async def test_a_file_is_no_data_folder(self, folder: Path, path: str):
        (folder / "afile").write_text("")

        (found,) = await check_store(load(data_dir=path))

        assert found.error is not None
        assert f"{folder}/afile is a file, not a folder." in found.detail

    async def test_keys_that_were_given_are_not_looked_for_in_files(self, folder: Path):
        settings = load(jwt_secret="x" * 32, master_key="eA==" * 8)

        found = [*await check_store(settings), *await check_secrets(settings)]

        assert named(found, "jwt key").detail == "from STEPIQ_JWT_SECRET"
        assert named(found, "master key").status is Status.FAILED

    async def test_keys_that_were_made_are_found(self, here: Settings):
        here.data_dir.mkdir(mode=0o700)
        key = here.data_dir / "jwt.key"
        key.write_text("x" * 64)
        key.chmod(0o600)

        assert named(await check_store(here), "jwt key").detail == str(key.absolute())


class TestCheckProviders:
    async def test_a_provider_that_answers_tells_its_models(
        self, folder: Path, provider: RunningFakeProvider
    ):
        settings = load(openai_base_url=provider.url, openai_api_key="sk-ours-123456")

        found = await check_providers(settings)

        assert named(found, "provider openai").detail == "OpenAI responds and offers 2 models"
        (default,) = await check_default_model(settings)
        assert default.detail.startswith("openai/gpt-4o-mini")

    async def test_a_refused_key_fails_without_being_repeated(
        self, folder: Path, provider: RunningFakeProvider
    ):
        provider.configure(api_key="sk-right")
        settings = load(openai_base_url=provider.url, openai_api_key="sk-wrong-0123456789")

        found = named(await check_providers(settings), "provider openai")

        assert found.status is Status.FAILED
        assert "OPENAI_API_KEY" in found.detail
        assert "0123456789" not in found.detail

    async def test_a_provider_that_does_not_answer_in_time_fails(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(models, "_PATIENCE_SECONDS", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            settings = load(openai_base_url=url, openai_api_key="sk-ours-123456")

            found = named(await check_providers(settings), "provider openai")

        assert found.status is Status.FAILED
        assert "did not respond within" in found.detail

    @pytest.mark.parametrize(
        ("provider", "variable"),
        [
            ("ollama", "OLLAMA_BASE_URL"),
            ("anthropic", "ANTHROPIC_API_KEY"),
            ("google", "GOOGLE_API_KEY"),
            ("mistral", "MISTRAL_API_KEY"),
            ("zai", "ZAI_API_KEY"),
        ],
    )
    async def test_what_could_be_set_is_noted(self, here: Settings, provider: str, variable: str):
        found = named(await check_providers(here), f"provider {provider}")

        assert found.status is Status.NOTE
        assert variable in found.advice

    async def test_every_maker_is_asked_in_its_own_protocol(self, folder: Path):
        server = AnthropicServer()
        async with server.running():
            settings = load(anthropic_base_url=server.url, anthropic_api_key="sk-ant-ours-123456")

            found = await check_providers(settings)

        told = named(found, "provider anthropic")
        assert told.detail == "Anthropic responds and offers 2 models"
        (default,) = await check_default_model(settings)
        assert default.detail.startswith("anthropic/claude-haiku-5-5")

    async def test_it_says_whether_the_weights_of_the_local_model_are_here(
        self, here: Settings, tmp_path: Path
    ):
        settings = here.model_copy(update={"cache_dir": tmp_path})
        missing = named(await check_providers(settings), "provider local")
        with weights_path(tmp_path).open("wb") as file:
            file.truncate(98_362_432)
        present = named(await check_providers(settings), "provider local")

        assert (missing.status, present.status) == (Status.NOTE, Status.OK)
        assert str(weights_path(tmp_path)) in present.detail

    async def test_without_the_library_there_is_no_default_model(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(
            "stepiq.engine.providers.sources.local_unavailable", lambda: "It is not installed."
        )

        found = await check_providers(load())

        assert named(found, "provider local").status is Status.NOTE
        (default,) = await check_default_model(load())
        assert default.status is Status.FAILED
        assert default.advice.startswith("Until you fix this, steps without `model` fail")


class TestCheckServer:
    async def test_a_free_port_is_well(self, folder: Path):
        found = await check_port(load(port=0))

        assert named(found, "port").status is Status.OK

    async def test_a_port_that_something_else_has_fails(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as other:
            settings = load(port=other.getsockname()[1])
            other.close()
            with socket.socket() as bound:
                bound.bind(("127.0.0.1", settings.port))
                found = named(await check_port(settings), "port")

        assert found.error is not None
        assert "set STEPIQ_PORT to another port" in found.detail

    async def test_a_port_that_this_server_uses_is_well(self, here: Settings, server, engine):
        engine.is_ready = True
        here.data_dir.mkdir(mode=0o700, exist_ok=True)

        with locked(here):
            found = named(await check_port(load(port=server.port)), "port")

        assert found.is_running
        assert "a stepIQ server is running there" in found.detail

    async def test_a_port_that_the_server_of_another_folder_uses_fails(
        self, folder: Path, server, engine
    ):
        engine.is_ready = True

        found = named(await check_port(load(port=server.port)), "port")

        assert found.error is not None

    async def test_on_postgresql_any_stepiq_server_can_be_this_one(
        self, folder: Path, server, engine
    ):
        engine.is_ready = True
        settings = load(port=server.port, database_url="postgresql://u@127.0.0.1:9/none")

        assert named(await check_port(settings), "port").is_running

    async def test_mail_without_a_server_is_noted(self, here: Settings):
        found = named(await check_mail(here), "mail")

        assert found.status is Status.NOTE
        assert "STEPIQ_SMTP_URL" in found.advice

    async def test_a_mail_server_that_answers_is_well(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as mail:
            port = mail.getsockname()[1]
            settings = load(smtp_url=f"smtp://user:geheim@127.0.0.1:{port}")

            found = named(await check_mail(settings), "mail")

        assert found.detail == f"127.0.0.1:{port} responds"

    @pytest.mark.parametrize("url", ["smtp://127.0.0.1:9", "smtps://127.0.0.1", "smtp://127.0.0.1"])
    async def test_a_mail_server_that_does_not_answer_fails(self, folder: Path, url: str):
        found = named(await check_mail(load(smtp_url=url)), "mail")

        assert found.status is Status.FAILED


@pytest.mark.usefixtures("only_own_variables")
class TestCheckSettings:
    async def test_names_are_shown_and_values_are_not(self, folder: Path):
        (folder / "stepiq.toml").write_text("")

        (found,) = await check_settings(load(openai_api_key="sk-geheim-123456", port=81))

        assert found.detail == (
            f"OPENAI_API_KEY, STEPIQ_DATA_DIR, STEPIQ_PORT; {folder / 'stepiq.toml'} is read"
        )

    async def test_defaults_are_shown_as_such(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("STEPIQ_DATA_DIR")

        (found,) = await check_settings(load())

        assert found.detail == "all at their defaults"

    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("STEPIQ_REGISTRATON", "Did you mean STEPIQ_REGISTRATION?"),
            ("STEPIQ_DATABSE_URL", "Did you mean STEPIQ_DATABASE_URL?"),
            ("STEPIQ_OPENAI_KEY", "Did you mean OPENAI_API_KEY?"),
            ("STEPIQ_REGISTER", "Did you mean STEPIQ_REGISTRATION?"),
            ("STEPIQ_RETENTION_DAYS", "Did you mean STEPIQ_RUN_RETENTION_DAYS?"),
            ("STEPIQ_COLOUR", "Remove it, or correct its name."),
        ],
    )
    async def test_a_name_that_sets_nothing_is_warned_about(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, advice: str
    ):
        monkeypatch.setenv(name, "geheim")

        found = (await check_settings(load()))[1]

        assert (found.status, found.advice) == (Status.WARNING, advice)
        assert found.detail == f"{name} is set, but there is no such setting."

    async def test_names_that_mean_something_are_not(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (folder / "stepiq.toml").write_text(
            '[endpoints.lab]\nbase_url = "http://10.0.0.5/v1"\napi_key_env = "STEPIQ_LAB_KEY"\n'
        )
        for name in ("STEPIQ_LAB_KEY", "STEPIQ_SERVER", "STEPIQ_API_KEY", "STEPIQ_OPENAI_API_KEY"):
            monkeypatch.setenv(name, "given")

        assert len(await check_settings(load())) == 1


class TestCheckAccounts:
    async def test_strangers_who_can_spend_the_server_s_keys_are_warned_about(self, folder: Path):
        settings = load(registration="open", openai_api_key="sk-ours-123456")

        found = named(await check_accounts(settings), "registration")

        assert found.status is Status.WARNING
        assert "key of OpenAI without limit" in found.detail

    @pytest.mark.parametrize(
        "change",
        [
            {"registration": "invite"},
            {"registration": None},
            {"openai_api_key": None},
            {"default_plan": "free"},
        ],
    )
    async def test_nothing_is_said_where_they_cannot(self, folder: Path, change: dict[str, str]):
        settings = load(**{"registration": "open", "openai_api_key": "sk-ours-123456", **change})

        assert [check.name for check in await check_accounts(settings)] == ["plans"]


@pytest.mark.usefixtures("only_own_variables")
class TestBeforeStart:
    async def start(self, **settings: object) -> list[str]:
        """What a start would warn about."""
        said: list[str] = []
        await before_start(load(log_format="console", **settings), said.append)
        return said

    async def test_nothing_is_said_about_a_new_folder(self, folder: Path):
        assert await self.start() == []

    async def test_what_doctor_warns_about_is_said_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_REGISTRATON", "closed")

        said = await self.start(default_model="openai/gpt-4o")

        assert said[0] == (
            "Warning: STEPIQ_REGISTRATON is set, but there is no such setting. Did you mean STEPIQ_REGISTRATION?"
        )
        assert said[1].startswith("Warning: STEPIQ_DEFAULT_MODEL: ")
        assert len(said) == 2

    async def test_a_warning_is_a_line_of_the_log_where_nobody_reads(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_REGISTRATON", "closed")

        with capture_logs() as logs:
            await before_start(load(log_format="json"), None)

        assert [(line["event"], line["check"]) for line in logs] == [
            ("startup_warning", "settings")
        ]

    async def test_one_error_is_raised_as_it_is(self, folder: Path):
        with pytest.raises(UnknownPlan):
            await self.start(default_plan="gold")

    async def test_several_errors_are_raised_together(self, folder: Path):
        with pytest.raises(CannotStart) as caught:
            await self.start(default_plan="gold", jwt_secret="x" * 32, master_key="eA==")

        assert [issue.path for issue in caught.value.issues] == ["master key", "plans"]

    async def test_no_provider_and_no_mail_server_is_called(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            silent.settimeout(0.2)

            await self.start(
                openai_base_url=f"http://127.0.0.1:{port}/v1",
                openai_api_key="sk-ours-123456",
                smtp_url=f"smtp://127.0.0.1:{port}",
            )

            with pytest.raises(TimeoutError):
                silent.accept()
