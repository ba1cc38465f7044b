import json
from pathlib import Path

import pytest

from stepiq.core.settings.effective import effective
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.model import Settings, load, unknown_variables

SECRET = "a-canary-in-the-secret"
GOOGLE = {"issuer": "https://accounts.google.com", "client_id": "me", "client_secret": SECRET}
WORKSPACE = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a `stepiq.toml`."""
    monkeypatch.chdir(tmp_path)


def in_file(lines: str, name: str = "google") -> None:
    base = '\nissuer = "https://accounts.google.com"\nclient_id = "me"\n'
    Path("stepiq.toml").write_text(f"[oidc.{name}]{base}{lines}\n")


def unknown(settings: Settings) -> list[str]:
    """The variables that set nothing, without those of the suite."""
    return [name for name in unknown_variables(settings) if not name.startswith("STEPIQ_TEST_")]


class TestFile:
    def test_a_table_is_a_provider(self):
        in_file(
            'client_secret = "x"\nallowed_domains = ["Example.com"]\n'
            f'groups.eng = {{role = "editor", workspace = "{WORKSPACE}"}}\n'
            f'groups.ops = [{{role = "admin", workspace = "{WORKSPACE}"}}]\n'
        )

        found = load().identity_providers["google"]

        assert found.secret == "x"
        assert found.allowed_domains == ["example.com"]
        assert [grant.role for grant in found.groups["ops"]] == ["admin"]
        assert found.scopes == ["openid", "email", "profile"]
        assert found.assigns_roles

    def test_the_secret_can_be_in_a_variable(self, monkeypatch):
        in_file('client_secret_env = "STEPIQ_COMPANY_SECRET"')
        monkeypatch.setenv("STEPIQ_COMPANY_SECRET", SECRET)

        settings = load()

        assert settings.identity_providers["google"].secret == SECRET
        assert unknown(settings) == []

    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            ("scope = []", r"oidc\.google\.scope: Unknown field\. Did you mean `scopes`\?"),
            ('scopes = ["email"]', "include"),
            ('scopes = ["openid", "a b"]', "without spaces"),
            ('allowed_domains = ["@example.com"]', "without @"),
            ('group_claim = ""', "group_claim"),
            ('role = "owner"', "`viewer`"),
            ('groups.eng = {role = "editor"}', "name the `workspace`|Name the `workspace`"),
            ('groups.eng = {role = "editor", workspace = "main"}', "workspace"),
            ('client_secret = "x"\nclient_secret_env = "Y"', "not both"),
        ],
    )
    def test_a_mistake_is_named(self, lines, problem):
        in_file(lines)

        with pytest.raises(SettingsInvalid, match=problem):
            load()

    @pytest.mark.parametrize(
        "issuer",
        [
            "accounts.google.com",
            "ftp://x",
            "https://",
            "https://u:p@x.example",
            "https://x.example?a",
        ],
    )
    def test_the_issuer_must_be_a_url(self, issuer):
        Path("stepiq.toml").write_text(f'[oidc.a]\nissuer = "{issuer}"\nclient_id = "me"\n')

        with pytest.raises(SettingsInvalid, match="URL of the provider"):
            load()

    @pytest.mark.parametrize("name", ["Google", "a_b", '"a/b"', '"ä"'])
    def test_the_name_must_fit_into_a_url(self, name):
        in_file("", name)

        with pytest.raises(SettingsInvalid, match="not a valid name"):
            load()

    def test_a_mistake_does_not_show_the_secret(self):
        in_file(f'client_secret = ["{SECRET}"]')

        with pytest.raises(SettingsInvalid) as caught:
            load()

        assert SECRET not in str(caught.value)


class TestVariable:
    def test_it_has_the_same_fields(self, monkeypatch):
        monkeypatch.setenv("STEPIQ_OIDC_PROVIDERS", json.dumps({"google": GOOGLE}))

        settings = load()

        assert settings.identity_providers["google"].secret == SECRET
        assert unknown(settings) == []

    def test_it_has_precedence_over_the_file(self, monkeypatch):
        in_file("")
        monkeypatch.setenv("STEPIQ_OIDC_PROVIDERS", json.dumps({"google": {**GOOGLE, "name": "G"}}))

        assert load().identity_providers["google"].name == "G"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (SECRET, "JSON object"),
            (json.dumps([SECRET]), "JSON object"),
            (json.dumps({"google": {**GOOGLE, "issuer": SECRET}}), "google.issuer"),
            (
                json.dumps({"google": {**GOOGLE, "client_secrets": SECRET}}),
                "`google.client_secrets`: Unknown field. Did you mean `client_secret`? Allowed: `issuer`",
            ),
            (json.dumps({"Google": GOOGLE}), "not a valid name"),
        ],
    )
    def test_a_mistake_is_named_without_values(self, monkeypatch, text, problem):
        monkeypatch.setenv("STEPIQ_OIDC_PROVIDERS", text)

        with pytest.raises(SettingsInvalid) as caught:
            load()

        assert "STEPIQ_OIDC_PROVIDERS" in str(caught.value)
        assert problem in str(caught.value)
        assert SECRET not in str(caught.value)


class TestSecrecy:
    def test_no_form_of_the_settings_shows_the_secret(self, monkeypatch):
        in_file(f'client_secret = "{SECRET}"')
        monkeypatch.setenv("STEPIQ_OIDC_PROVIDERS", json.dumps({"other": GOOGLE}))

        settings = load()

        shown = {each.name: each.value for each in effective(settings)}
        assert shown["oidc.google"] == "https://accounts.google.com"
        assert shown["STEPIQ_OIDC_PROVIDERS"] == "set"
        assert SECRET not in repr(settings) + str(shown) + settings.model_dump_json()
        assert SECRET not in repr(settings.identity_providers)
