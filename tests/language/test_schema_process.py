"""Large values are validated in a process of its own, with the same result."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.language import offload, schema_process, schema_process_client, schemas
from stepiq.language.inputs import InputInvalid, InputSchema
from stepiq.language.schema_process_client import SchemaProcess
from stepiq.language.schema_work import ValidationMeter
from stepiq.language.schemas import Schema, compile_schema

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


def in_thread() -> ValidationMeter:
    return ValidationMeter(pause=lambda: None)


@pytest.fixture
def schema() -> Schema:
    return compile_schema(LARGE, max_patterns=0)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[SchemaProcess]:
    """The process that `schemas` uses in this test."""
    new = SchemaProcess()
    monkeypatch.setattr(schemas, "process", new)
    yield new
    new.close()


class TestLargeValue:
    async def test_a_thread_of_the_server_leaves_it_to_the_process(self, schema, process):
        given = await offload.validate(InputSchema(schema), VALID)

        assert given == VALID
        assert process.pid is not None

    async def test_its_issues_are_the_same(self, process, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(schemas, "_UNITS_HERE", 0)
        schema = compile_schema(NUMBERS, max_patterns=0)
        value: Json = {"numbers": [1, "ä", {"b": None}, 5_001, 2.5, -0.0, 10**30, 1e-300]}

        apart = schema.issues(value, ("steps", 0), "The output", in_thread())

        assert process.pid is not None
        assert apart == schema.issues(value, ("steps", 0), "The output")
        assert [each.path for each in apart] == [
            f"steps[0].numbers[{index}]" for index in (1, 2, 3, 4, 6, 7)
        ]

    async def test_the_input_is_refused_as_if_it_were_small(self, schema, process):
        with pytest.raises(InputInvalid) as refused:
            await offload.validate(InputSchema(schema), INVALID)

        assert refused.value.issues == (
            Issue(
                "", "invalid",
                "The value does not match the schema. It is too large to say where.",
            ),
        )  # fmt: skip
        assert process.pid is not None

    def test_outside_of_such_a_thread_it_is_validated_here(self, schema, process):
        assert schema.issues(VALID) == ()
        assert process.pid is None


class TestProcess:
    def ask(self, process: SchemaProcess) -> Any:
        return process.issues(LARGE, {"numbers": [120]}, ("input",), "The input")

    def test_one_that_was_killed_is_replaced(self, process):
        before = self.ask(process)
        killed = process.pid
        os.kill(killed, signal.SIGKILL)

        assert self.ask(process) == before
        assert process.pid != killed

    def test_one_that_does_not_answer_is_replaced(self, process, monkeypatch: pytest.MonkeyPatch):
        before = self.ask(process)
        os.kill(process.pid, signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(schema_process_client, "_ANSWER_SECONDS", 0.0)
            assert self.ask(process) is None

        assert self.ask(process) == before

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc shows the environment")
    def test_it_gets_nothing_of_the_servers_environment(
        self, process, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", "a secret")
        self.ask(process)

        assert Path(f"/proc/{process.pid}/environ").read_bytes() == b"TZ=UTC\0"

    def test_without_one_the_thread_validates(
        self, schema, process, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")

        assert self.ask(process) is None
        assert schema.issues(INVALID, meter=in_thread())
        assert process.pid is None


class TestServe:
    def test_it_answers_until_the_other_end_is_closed(self):
        ours, theirs = Pipe()
        serving = threading.Thread(target=schema_process.serve, args=(theirs,))
        serving.start()
        for _ in range(2):
            ours.send_bytes(b'{"type": "string"}')
            ours.send_bytes(b'[1, ["a", 0], "The value"]')
            assert ours.recv_bytes() == (
                b'[["a[0]","wrong_type","`a[0]` must be a string; it is a number."]]'
            )
        ours.close()

        serving.join(10)
        assert not serving.is_alive()
