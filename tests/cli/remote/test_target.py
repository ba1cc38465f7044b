"""Which server and which key a command uses, and the file with the profiles."""

import concurrent.futures
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.cli.output.console import UsageError
from stepiq.cli.remote import target
from stepiq.cli.remote.target import (
    Profile,
    Profiles,
    ProfilesInvalid,
    ServerTarget,
    resolve,
    server_url,
)

WORK = Profile("https://work.example.com", "sk_live_work", "01a2", "ada@example.com", "Team")
HOME = Profile("http://127.0.0.1:8080", "sk_live_home")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SERVER", "HOST", "PORT", "API_KEY", "PROFILE", "WORKSPACE"):
        monkeypatch.delenv(f"STEPIQ_{name}", raising=False)
    return tmp_path / "config" / "stepiq" / "profiles.toml"


class TestProfiles:
    def test_without_a_file_there_are_none(self):
        assert target.read_profiles() == Profiles()

    def test_the_first_is_the_default(self):
        target.save_profile("work", WORK)
        target.save_profile("home", HOME)

        assert target.read_profiles() == Profiles("work", {"work": WORK, "home": HOME})

    def test_another_can_become_the_default(self):
        target.save_profile("work", WORK)
        target.save_profile("home", HOME, make_default=True)

        assert target.read_profiles().default == "home"

    def test_one_can_be_forgotten(self):
        target.save_profile("work", WORK)

        assert target.forget_profile("work") == WORK
        assert target.forget_profile("work") is None
        assert target.read_profiles() == Profiles()

    def test_only_the_owner_can_read_file_and_folder(self, file: Path):
        file.parent.mkdir(mode=0o755, parents=True)

        target.save_profile("work", WORK)

        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    def test_a_file_that_others_can_read_is_refused(self, file: Path):
        target.save_profile("work", WORK)
        file.chmod(0o640)

        with pytest.raises(ProfilesInvalid, match="chmod 600"):
            target.read_profiles()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("profiles = 1", "must be text, and `profiles` a table"),
            ("[profiles.a]\nserver = 'http://a'", "`a` needs `server` and `api_key`"),
            ("[profiles.a", "is not valid"),
        ],
    )
    def test_a_damaged_file_is_explained(self, file: Path, text: str, message: str):
        file.parent.mkdir(parents=True)
        file.write_text(text)
        file.chmod(0o600)

        with pytest.raises(ProfilesInvalid, match=message):
            target.read_profiles()

    @pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "x" * 65, "ä"])
    def test_a_name_that_is_not_allowed_is_refused(self, name: str):
        with pytest.raises(ProfilesInvalid, match="not a valid name"):
            target.save_profile(name, WORK)

    def test_writers_at_the_same_time_lose_nothing(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: target.save_profile(f"p{number}", WORK), range(24)))

        assert len(target.read_profiles().by_name) == 24

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_any_text_is_read_as_it_was_written(self, text: str):
        target.save_profile("any", Profile("http://a", text, email=text))

        assert target.read_profiles().by_name["any"] == Profile("http://a", text, email=text)

    def test_a_profile_does_not_show_its_key(self):
        assert "sk_live" not in repr(WORK)
        assert "sk_live" not in repr(ServerTarget("http://a", "sk_live_a", None))


class TestResolve:
    def test_without_anything_it_is_the_server_of_this_machine(self):
        assert resolve() == ServerTarget("http://127.0.0.1:8080", None, None)

    def test_the_server_of_this_machine_listens_where_the_environment_says(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_HOST", "::")
        monkeypatch.setenv("STEPIQ_PORT", "9000")

        assert resolve().server == "http://[::1]:9000"

    def test_the_default_profile_is_used(self):
        target.save_profile("work", WORK)

        assert resolve() == ServerTarget(WORK.server, WORK.api_key, "work")

    def test_variables_override_the_profile(self, monkeypatch: pytest.MonkeyPatch):
        target.save_profile("work", WORK)
        monkeypatch.setenv("STEPIQ_SERVER", "https://ci.example.com/")
        monkeypatch.setenv("STEPIQ_API_KEY", "sk_live_ci")

        assert resolve() == ServerTarget("https://ci.example.com", "sk_live_ci", None)

    def test_with_both_variables_a_damaged_file_is_not_read(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ):
        file.parent.mkdir(parents=True)
        file.write_text("[")
        monkeypatch.setenv("STEPIQ_SERVER", "https://ci.example.com")
        monkeypatch.setenv("STEPIQ_API_KEY", "sk_live_ci")

        assert resolve().api_key == "sk_live_ci"

    def test_the_option_overrides_the_variable(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("STEPIQ_SERVER", "https://ci.example.com")

        assert resolve("https://other.example.com").server == "https://other.example.com"

    def test_the_key_of_a_profile_goes_to_no_other_server(self):
        target.save_profile("work", WORK)

        assert resolve("https://other.example.com") == ServerTarget(
            "https://other.example.com", None, None
        )

    def test_a_server_finds_its_profile(self):
        target.save_profile("work", WORK)
        target.save_profile("home", HOME)

        assert resolve(HOME.server) == ServerTarget(HOME.server, HOME.api_key, "home")

    def test_the_option_for_a_profile_overrides_variables(self, monkeypatch: pytest.MonkeyPatch):
        target.save_profile("work", WORK)
        monkeypatch.setenv("STEPIQ_SERVER", "https://ci.example.com")
        monkeypatch.setenv("STEPIQ_API_KEY", "sk_live_ci")

        assert resolve(profile="work") == ServerTarget(WORK.server, WORK.api_key, "work")

    def test_a_variable_selects_the_profile(self, monkeypatch: pytest.MonkeyPatch):
        target.save_profile("work", WORK)
        target.save_profile("home", HOME)
        monkeypatch.setenv("STEPIQ_PROFILE", "home")

        assert resolve().profile == "home"

    def test_a_key_of_the_environment_goes_to_the_server_of_the_profile(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        target.save_profile("work", WORK)
        monkeypatch.setenv("STEPIQ_API_KEY", "sk_live_other")

        assert resolve() == ServerTarget(WORK.server, "sk_live_other", "work")

    def test_an_unknown_profile_is_refused_with_the_known_ones(self):
        target.save_profile("work", WORK)

        with pytest.raises(
            UsageError, match=r"profile `wrok` does not exist\. The profiles are `work`"
        ):
            resolve(profile="wrok")

    def test_a_profile_of_another_server_is_refused(self):
        target.save_profile("work", WORK)

        with pytest.raises(UsageError, match=r"`work` is for https://work\.example\.com"):
            resolve("https://other.example.com", "work")


class TestServerUrl:
    @pytest.mark.parametrize(
        ("text", "url"),
        [
            ("https://a.example.com", "https://a.example.com"),
            ("http://A.example.com:8080/", "http://a.example.com:8080"),
            ("https://a.example.com/stepiq/", "https://a.example.com/stepiq"),
            ("https://a.example.com/api", "https://a.example.com"),
            ("https://a.example.com/v1/api/", "https://a.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ],
    )
    def test_it_has_no_slash_at_the_end(self, text: str, url: str):
        assert server_url(text, "--server") == url

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("stepiq.example.com", "lacks a scheme. Write https://stepiq.example.com"),
            ("127.0.0.1:9180", "lacks a scheme. Write http://127.0.0.1:9180"),
            ("localhost/", "lacks a scheme. Write http://localhost/"),
            ("[::1", "lacks a scheme. Write https://"),
            ("ftp://a", "not the URL of a server"),
            ("http://", "not the URL of a server"),
            ("http://a:x", "not the URL of a server"),
            ("http://[a", "not the URL of a server"),
            ("http://a?b=1", "not the URL of a server"),
            ("http://u:p@a", "user name"),
        ],
    )
    def test_another_text_is_refused(self, text: str, message: str):
        with pytest.raises(UsageError, match=message):
            server_url(text, "--server")
