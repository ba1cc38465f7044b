"""The examples are valid, and those that the weak local model is good enough for do what they say.

What the others do is in `tests/engine/test_examples.py`, which plays the systems and people they need.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from stepiq.cli.demo import read_examples
from tests.cli.conftest import Cli, Command
from tests.support.fake_provider import RunningFakeProvider
from tests.support.local_model import needs_local_model

EXAMPLES = {example.name: example for example in read_examples()}

ANSWERS: dict[str, dict[str, Any] | None] = {
    "customer_message": {"customer_name": "Anna Keller", "order_number": "48213"},
    "invoice": {
        "vendor": "Northwind Traders",
        "total_amount": "1240.50",
        "due_date": "2026-03-31",
    },
    "meeting_request": {"day": "Thursday", "time": "14:30"},
    "order_summary": None,
}
"""What a model has to make of each example's input; None where none is asked."""

OUTPUTS: dict[str, Any] = {
    "customer_message": (
        "# Order 48213: Anna Keller\n\nQueue: support. Answer within two working days.\n\n"
        "> Hello, my name is Anna Keller. My order 48213 arrived with a broken lid. Can you send a new one?\n"
    ),
    "invoice": {
        "vendor": "Northwind Traders",
        "total": 1240.5,
        "due": "2026-03-31",
        "cost_center": "office",
    },
    "meeting_request": (
        "Dear Tom Baker,\n\nYou asked for Thursday at 14:30.\n"
        "I do not meet on Friday; any other day is fine.\n"
    ),
    "order_summary": (
        "**Anna Keller**, 2 positions, express\n\n"
        "0. 2 x desk lamp\n1. 1 x oak shelf (two people needed to carry it)\n\n"
    ),
}


def test_every_example_is_tested():
    played = (Path(__file__).parents[1] / "engine" / "test_examples.py").read_text("utf-8")

    assert set(ANSWERS) == set(OUTPUTS)
    assert {name for name in EXAMPLES if f'example("{name}")' not in played} == set(ANSWERS)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_each_is_valid(cli: Cli, name: str):
    assert cli("validate", str(EXAMPLES[name].path)).code == 0


@pytest.mark.parametrize("name", sorted(ANSWERS))
class TestExample:
    @pytest.mark.slow
    async def test_it_gives_its_output(
        self, command: Command, provider: RunningFakeProvider, name: str
    ):
        command.use(provider)
        provider.configure(text=json.dumps(ANSWERS[name]))

        run = await run_example(command, name)

        assert run["output"] == OUTPUTS[name]
        assert bool(provider.requests) is (ANSWERS[name] is not None)

    @pytest.mark.slow
    @needs_local_model
    async def test_the_local_model_gives_the_same(self, command: Command, name: str):
        run = await run_example(command, name)

        assert run["output"] == OUTPUTS[name]


async def run_example(command: Command, name: str) -> dict[str, Any]:
    path = EXAMPLES[name].path
    file = path.parent / "inputs" / f"{name}.json"
    said = await command("run", str(path), "--input-file", str(file), "--json")
    assert said.code == 0, said
    return json.loads(said.out)
