import json
import subprocess
import sys

import pytest

from stepiq.core.settings.model import Settings
from stepiq.server import process


def raised(limits: str) -> list[int]:
    """What `raise_limit` returns in a process with these limits, and the limits after it."""
    script = (
        f"import resource, json\nresource.setrlimit(resource.RLIMIT_NOFILE, {limits})\n"
        "from stepiq.server import process\n"
        "print(json.dumps([process.raise_file_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE)]))"
    )
    return json.loads(subprocess.check_output([sys.executable, "-c", script]))


class TestRaiseLimit:
    def test_the_soft_limit_becomes_the_hard_limit(self):
        assert raised("(256, 4096)") == [4096, 4096, 4096]

    @pytest.mark.parametrize("soft", [70_000, process.resource.RLIM_INFINITY])
    def test_a_soft_limit_that_is_large_enough_remains(
        self, soft: int, monkeypatch: pytest.MonkeyPatch
    ):
        changes: list[tuple[int, int]] = []
        monkeypatch.setattr(process.resource, "getrlimit", lambda _: (soft, 100_000))
        monkeypatch.setattr(process.resource, "setrlimit", lambda _, new: changes.append(new))

        process.raise_file_limit()

        assert changes == []

    def test_no_limit_becomes_65536(self, monkeypatch: pytest.MonkeyPatch):
        infinite = process.resource.RLIM_INFINITY
        limits = [(256, infinite)]
        monkeypatch.setattr(process.resource, "getrlimit", lambda _: limits[-1])
        monkeypatch.setattr(process.resource, "setrlimit", lambda _, new: limits.append(new))

        assert process.raise_file_limit() == 65_536

    def test_a_system_that_refuses_so_many_gets_fewer(self, monkeypatch: pytest.MonkeyPatch):
        limits = [(256, process.resource.RLIM_INFINITY)]

        def setrlimit(_: int, new: tuple[int, int]) -> None:
            if new[0] > 10_240:
                raise ValueError("current limit exceeds maximum limit")
            limits.append(new)

        monkeypatch.setattr(process.resource, "getrlimit", lambda _: limits[-1])
        monkeypatch.setattr(process.resource, "setrlimit", setrlimit)

        assert process.raise_file_limit() == 10_240


class TestMaxConnections:
    def test_it_is_the_setting_if_the_limit_is_large_enough(self):
        assert process.max_connections(Settings(max_connections=4000), 5_500) == 4_000

    def test_a_smaller_limit_leaves_descriptors_for_everything_else(self):
        assert process.max_connections(Settings(max_connections=4000), 5_000) == 3_500

    def test_at_least_half_of_the_limit_is_for_connections(self):
        assert process.max_connections(Settings(max_connections=4000), 1_024) == 512
