import base64
import threading

import pytest
from pydantic import SecretStr

from stepiq.core.keys import files as keys
from stepiq.core.keys.files import DataFolderUnusable, KeyUnusable
from stepiq.core.settings.model import load


@pytest.fixture
def settings(tmp_path):
    return load(data_dir=tmp_path / "data", config_file=tmp_path / "none.toml")


class TestJwtSecret:
    def test_one_is_made_and_then_kept(self, settings):
        secret = keys.jwt_secret(settings)

        assert len(secret) == 64
        assert keys.jwt_secret(settings) == secret
        assert (settings.data_dir / "jwt.key").stat().st_mode & 0o777 == 0o600
        assert settings.data_dir.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in settings.data_dir.iterdir()] == ["jwt.key"]

    def test_the_operators_wins(self, settings):
        settings.jwt_secret = SecretStr("x" * 32)

        assert keys.jwt_secret(settings) == b"x" * 32
        assert not settings.data_dir.exists()

    def test_those_who_make_it_at_once_agree(self, settings):
        found = []
        starting = threading.Barrier(8)

        def make():
            starting.wait()
            found.append(keys.jwt_secret(settings))

        threads = [threading.Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 8
        assert len(set(found)) == 1

    def test_one_that_others_can_read_is_refused(self, settings):
        keys.jwt_secret(settings)
        (settings.data_dir / "jwt.key").chmod(0o644)

        with pytest.raises(KeyUnusable, match="chmod 600"):
            keys.jwt_secret(settings)

    def test_one_that_a_group_may_write_is_used_where_the_group_shares_the_folder(self, settings):
        made = keys.jwt_secret(settings)
        settings.data_dir.chmod(0o2770)
        (settings.data_dir / "jwt.key").chmod(0o660)

        assert keys.jwt_secret(settings) == made

    def test_a_damaged_one_is_refused(self, settings):
        keys.jwt_secret(settings)
        (settings.data_dir / "jwt.key").write_text("short")

        with pytest.raises(KeyUnusable, match="damaged"):
            keys.jwt_secret(settings)

    def test_a_folder_that_cannot_be_made_is_named(self, settings, tmp_path):
        (tmp_path / "data").write_text("a file")

        with pytest.raises(DataFolderUnusable, match="STEPIQ_DATA_DIR"):
            keys.jwt_secret(settings)


class TestMasterKey:
    def test_one_is_made_and_then_kept(self, settings):
        key = keys.master_key(settings)

        assert len(key) == 32
        assert keys.master_key(settings) == key

    def test_the_operators_wins(self, settings):
        settings.master_key = SecretStr(base64.b64encode(b"k" * 32).decode())

        assert keys.master_key(settings) == b"k" * 32

    @pytest.mark.parametrize("text", ["", "x", "a" * 32, base64.b64encode(b"k" * 31).decode()])
    def test_one_of_another_length_is_refused_without_repeating_it(self, settings, text):
        settings.master_key = SecretStr(text)

        with pytest.raises(KeyUnusable, match="openssl rand -base64 32") as refused:
            keys.master_key(settings)
        assert not text or text not in refused.value.message.replace("base64", "")
