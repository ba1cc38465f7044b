"""Large values are validated in a process of its own, with the same result."""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from stepiq.core.json import Json
from stepiq.language import offload
from stepiq.language.definitions.inputs import InputInvalid, InputSchema
from stepiq.language.schemas import process as schema_process
from stepiq.language.schemas import process_client
from stepiq.language.schemas.process_client import SchemaProcess, ValidationUnavailable
from stepiq.language.schemas.validation import Schema, compile_schema

CHOICES: list[Json] = [{"const": number} for number in range(120)]
NUMBERS: dict[str, Json] = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"enum": [*range(50)]}}},
}
LARGE: dict[str, Json] = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"anyOf": CHOICES}}},
}
ALLOWED: list[Json] = [119] * 500
VALID: dict[str, Json] = {"numbers": ALLOWED}
INVALID: dict[str, Json] = {"numbers": [*ALLOWED, 120]}


@pytest.fixture
def schema() -> Schema:
    return compile_schema(LARGE, max_patterns=0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(clock: Clock) -> Iterator[SchemaProcess]:
    """The process of this thread."""
    new = SchemaProcess(now=clock)
    process_client.use(new)
    yield new
    process_client.use(None)
    new._stop()


class TestLargeValue:
    @pytest.mark.parametrize(
        ("validate", "turns"),
        [(offload.validate, offload._turns), (offload.validate_apart, offload._apart_turns)],
    )
    async def test_the_threads_of_each_pool_have_a_process(
        self, schema, validate: Any, turns: offload._Turns
    ):
        assert await validate(InputSchema(schema), VALID) == VALID
        assert turns.process.pid is not None

    def test_its_issues_are_the_same(self, process):
        schema = compile_schema(NUMBERS, max_patterns=0)
        value: Json = {"numbers": [1, "ä", {"b": None}, 5_001, 2.5, -0.0, 10**30, 1e-300]}

        apart = process.issues(NUMBERS, value, ("steps", 0), "The output")

        assert apart == schema.issues(value, ("steps", 0), "The output")
        assert [each.path for each in apart] == [
            f"steps[0].numbers[{index}]" for index in (1, 2, 3, 4, 6, 7)
        ]

    def test_an_input_is_refused(self, schema, process):
        with pytest.raises(InputInvalid) as refused:
            InputSchema(schema).validate(INVALID)

        assert [each.path for each in refused.value.issues] == ["numbers[500]"]
        assert process.pid is not None

    def test_a_small_one_is_validated_in_the_thread(self, schema, process):
        assert schema.issues({"numbers": [119] * 10}) == ()
        assert process.pid is None


class TestProcess:
    def ask(self, process: SchemaProcess) -> Any:
        return process.issues(LARGE, {"numbers": [120]}, ("input",), "The input")

    def test_what_takes_too_long_does_not_end_it(self, process):
        self.ask(process)
        before = process.pid
        options: list[Json] = [number + 0.5 for number in range(1_000)]
        values: list[Json] = [1.25] * 1_000

        (issue,) = process.issues({"items": {"not": {"enum": options}}}, values, (), "It")

        assert issue.code == "too_large"
        assert process.pid == before

    def test_one_that_was_killed_is_replaced(self, process):
        before = self.ask(process)
        killed = process.pid
        os.kill(killed, signal.SIGKILL)

        assert self.ask(process) == before
        assert process.pid != killed

    @pytest.mark.parametrize("length", [1, 1_000_000], ids=["an answer", "a read"])
    def test_the_time_for_each_step_is_limited(self, process, clock: Clock, length: int):
        before = self.ask(process)
        os.kill(process.pid, signal.SIGSTOP)
        # The second process is not ready in this time either.
        process.answer_seconds = 0.001
        with pytest.raises(ValidationUnavailable):
            process.issues(LARGE, {"numbers": [0], "text": "a" * length}, (), "It")
        process.answer_seconds = 30.0
        clock.now += 61

        assert self.ask(process) == before

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc shows the environment")
    def test_it_gets_nothing_of_the_servers_environment(
        self, process, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", "a secret")
        self.ask(process)

        assert Path(f"/proc/{process.pid}/environ").read_bytes() == b"TZ=UTC\0"

    def test_after_two_failures_none_is_started_for_a_minute(
        self, process, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/nowhere/python")
            with pytest.raises(ValidationUnavailable):
                self.ask(process)
        clock.now += 59
        with pytest.raises(ValidationUnavailable):
            self.ask(process)

        clock.now += 1
        assert self.ask(process) != ()

    def test_an_interruption_ends_it(self, process, monkeypatch: pytest.MonkeyPatch):
        self.ask(process)
        interrupted = process.pid

        def from_json(_: bytes) -> None:
            raise MemoryError

        monkeypatch.setattr(process_client, "from_json", from_json)
        with pytest.raises(MemoryError):
            self.ask(process)

        assert process.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(interrupted, 0)


class TestServe:
    def test_it_answers_until_the_other_end_is_closed(self):
        ours, theirs = Pipe()
        serving = threading.Thread(target=schema_process.serve, args=(theirs,))
        serving.start()
        for _ in range(2):
            ours.send_bytes(b'{"type": "string"}')
            ours.send_bytes(pickle.dumps((1, ("a", 0), "The value")))
            answers = [ours.recv_bytes() for _ in range(4)]
            assert answers[2:] == [
                b'[["a[0]","wrong_type","`a[0]` must be a string; it is a number."]]', b""
            ]  # fmt: skip
        ours.close()

        serving.join(10)
        assert not serving.is_alive()
