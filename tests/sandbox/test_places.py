import os
from pathlib import Path

import pytest

from stepiq.sandbox.sandbox import Sandbox


@pytest.mark.parametrize(
    ("limit", "places"),
    [("max", 32), (str(2 * 1024**3), 4), (str(8 * 1024**3), 16), (None, 32)],
)
async def test_the_memory_of_the_container_limits_the_places(
    limit: str | None,
    places: int,
    monkeypatch: pytest.MonkeyPatch,
):
    def read(path: Path) -> str:
        if limit is None or path != Path("/sys/fs/cgroup/memory.max"):
            raise FileNotFoundError
        return f"{limit}\n"

    machine = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 * 1024**3 // 4096}
    monkeypatch.setattr(os, "sysconf", machine.__getitem__)
    monkeypatch.setattr(Path, "read_text", read)

    assert Sandbox().places == places
