from pathlib import Path

import pytest

from stepiq.core.settings.model import load
from stepiq.server.checks import Status
from stepiq.server.checks.configuration import check_settings, check_step_types
from tests.support.plugins import installed, write_package


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
        assert found.detail == f"{name} is set, but this setting does not exist."

    async def test_names_that_mean_something_are_not(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (folder / "stepiq.toml").write_text(
            '[endpoints.lab]\nbase_url = "http://10.0.0.5/v1"\napi_key_env = "STEPIQ_LAB_KEY"\n'
        )
        for name in ("STEPIQ_LAB_KEY", "STEPIQ_SERVER", "STEPIQ_API_KEY", "STEPIQ_OPENAI_API_KEY"):
            monkeypatch.setenv(name, "given")

        assert len(await check_settings(load())) == 1


class TestCheckStepTypes:
    async def test_installed_types_are_listed_with_their_packages(self, tmp_path: Path):
        write_package(
            tmp_path,
            "stepiq-sing",
            "sing",
            spec="from stepiq.steps.wait.spec import STEP_TYPE",
            handler="from stepiq.steps.wait.handler import run",
        )

        with installed(tmp_path):
            (found,) = await check_step_types(load())

        assert found.status is Status.OK
        assert "parallel, sing (stepiq-sing), transform" in found.detail

    async def test_a_package_that_cannot_be_imported_is_named_and_does_not_prevent_a_start(
        self, tmp_path: Path
    ):
        write_package(tmp_path, "stepiq-sing", "sing", spec="import nothing")

        with installed(tmp_path):
            usable, found = await check_step_types(load())

        assert "sing" not in usable.detail
        assert (found.status, found.error) == (Status.FAILED, None)
        assert found.detail == (
            "The package stepiq-sing of the step type `sing` has an error. ModuleNotFoundError: No module named 'nothing'"
        )

    async def test_two_packages_with_one_name_prevent_a_start(self, tmp_path: Path):
        for name in ("stepiq-sing", "stepiq-song"):
            write_package(tmp_path, name, "sing", spec="")

        with installed(tmp_path):
            (found,) = await check_step_types(load())

        assert found.error is not None
        assert found.error.code == "step_type_conflict"
