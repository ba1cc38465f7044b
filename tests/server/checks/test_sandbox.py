import os
import subprocess

import pytest

from stepiq.core.settings.model import Settings
from stepiq.sandbox import limits
from stepiq.sandbox.conversation import CodeFailed
from stepiq.sandbox.isolation import walls
from stepiq.sandbox.sandbox import Sandbox
from stepiq.server.checks import Status, before_start, everything
from stepiq.server.checks.machine import check_sandbox, try_sandbox
from tests.server.checks.conftest import named


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
        monkeypatch.setattr("stepiq.sandbox.isolation.landlock.version", lambda: 0)
        monkeypatch.setattr("stepiq.sandbox.isolation.seccomp.available", lambda: False)
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

    def test_if_the_attempt_does_not_end_it_cannot(self, monkeypatch: pytest.MonkeyPatch):
        def hang(command: list[str], *, timeout: float, **_: object) -> None:
            raise subprocess.TimeoutExpired(command, timeout)

        monkeypatch.setattr(subprocess, "run", hang)

        assert not walls.can_switch_user()


class TestTrySandbox:
    async def test_where_code_runs_the_result_is_that_of_the_start(self, here: Settings):
        assert await try_sandbox(here) == await check_sandbox(here)

    async def test_code_that_fails_for_another_reason_is_reported(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        async def fail(*_: object, **__: object) -> CodeFailed:
            return CodeFailed("code_limit", limits.NOT_STARTED)

        monkeypatch.setattr(Sandbox, "run", fail)

        (found,) = await try_sandbox(here)

        assert found.status is Status.FAILED
        assert limits.NOT_STARTED in found.detail

    async def test_doctor_runs_code_and_the_start_does_not(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        async def fail(*_: object, **__: object) -> CodeFailed:
            return CodeFailed("code_limit", limits.NOT_CONFINED, "Landlock: refused")

        monkeypatch.setattr(Sandbox, "run", fail)
        announced: list[str] = []

        found = await everything()
        await before_start(here, announced.append)

        assert named(found, "sandbox").status is Status.FAILED
        assert named(found, "sandbox").detail.endswith(" refuses a protection: Landlock: refused")
        assert [check.name for check in found].count("sandbox") == 1
        assert not any("Landlock: refused" in line for line in announced)

    async def test_a_failure_of_the_start_is_reported_once(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(walls, "can_switch_user", lambda: False)

        (found,) = await try_sandbox(here)

        assert "cannot switch to another user" in found.detail
