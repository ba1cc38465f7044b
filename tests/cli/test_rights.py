"""Commands with a role of PostgreSQL that does not own the schema."""

import pytest

from stepiq.queue import tickets
from stepiq.store import migrate
from tests.cli.conftest import Cli
from tests.support.postgres_roles import Scene, scene

__all__ = ["scene"]


@pytest.fixture
def role(scene: Scene, folder, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A role that the environment names. The tables belong to the superuser."""
    migrate.upgrade(scene.superuser)
    tickets.prepare(scene.superuser)
    monkeypatch.setenv("STEPIQ_DATABASE_URL", scene.url.render_as_string(hide_password=False))
    monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", "true")
    monkeypatch.setenv("STEPIQ_LOG_FORMAT", "console")
    return scene


class TestServe:
    def test_it_ends_with_what_to_run(self, cli: Cli, role: Scene):
        said = cli("serve", "--port", "0")

        assert said.code == 1
        assert said.err.startswith("Error: ")
        assert "does not own" in said.err
        assert "Run as a superuser, connected to " in said.err
        assert "Traceback" not in said.err
        assert said.out == ""


class TestDoctor:
    def test_it_fails_until_what_it_tells_is_run(self, cli: Cli, role: Scene):
        refused = cli("doctor")
        role.follow(role.refusal())
        helped = cli("doctor")

        assert refused.code == 1
        assert "does not own" in refused.out
        assert "Run as a superuser, connected to " in refused.out
        assert "does not own" not in helped.out
