import os
import stat
from pathlib import Path

import pytest

from stepiq.core.keys import files as key_files
from stepiq.core.keys.files import DataFolderUnusable
from stepiq.core.settings.model import Settings, load


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(data_dir=tmp_path / "data")


class TestPrepare:
    def test_a_new_folder_is_for_its_owner_only(self, settings: Settings):
        assert mode(key_files.prepare_folder(settings)) == 0o700

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (0o755, 0o700),
            (0o777, 0o770),
            (0o2775, 0o2770),  # as `fsGroup` of Kubernetes leaves a volume
            (0o750, 0o750),
            (0o2770, 0o2770),
            (0o700, 0o700),
        ],
    )
    def test_a_folder_of_ones_own_is_closed_to_other_users(
        self, settings: Settings, before: int, after: int
    ):
        settings.data_dir.mkdir()
        settings.data_dir.chmod(before)

        key_files.prepare_folder(settings)

        assert mode(settings.data_dir) == after

    @pytest.mark.parametrize("name", ["stepiq.db", "demo.log"])
    def test_a_file_that_others_could_read_is_closed_to_them(self, settings: Settings, name: str):
        settings.data_dir.mkdir(mode=0o700)
        file = settings.data_dir / name
        file.touch()
        file.chmod(0o644)

        key_files.prepare_folder(settings)

        assert mode(file) == 0o600

    def test_somebody_elses_folder_that_is_open_to_all_is_refused(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        settings.data_dir.mkdir()
        settings.data_dir.chmod(0o755)
        owner = settings.data_dir.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

        with pytest.raises(DataFolderUnusable) as caught:
            key_files.prepare_folder(settings)

        assert f"chmod o-rwx {settings.data_dir}" in caught.value.message
        assert mode(settings.data_dir) == 0o755

    def test_somebody_elses_folder_that_a_group_shares_is_used(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        settings.data_dir.mkdir()
        settings.data_dir.chmod(0o2770)
        owner = settings.data_dir.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

        assert key_files.prepare_folder(settings) == settings.data_dir

    def test_one_that_cannot_be_created_is_named(self, tmp_path: Path):
        (tmp_path / "file").touch()

        with pytest.raises(DataFolderUnusable, match="Set STEPIQ_DATA_DIR to a folder"):
            key_files.prepare_folder(load(data_dir=tmp_path / "file" / "data"))


class TestCreatePrivate:
    def test_a_file_that_is_there_stays(self, tmp_path: Path):
        path = tmp_path / "file"
        path.write_text("content")

        key_files.create_private(path)

        assert path.read_text() == "content"
