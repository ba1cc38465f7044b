"""The examples are valid, and the local model gives the right output for those that it can do.

`tests/execution/test_examples.py` runs the others, with the systems, models and people that they need.
"""

import json
import re
from typing import Any

import pytest

from stepiq.pipelines.examples import read_examples
from tests.cli.conftest import Cli, Command
from tests.docs.pages import read
from tests.support.fake_provider import RunningFakeProvider
from tests.support.local_model import needs_local_model

EXAMPLES = {example.name: example for example in read_examples()}
MESSAGE = "Hello, my name is Anna Keller. My order A-48213 arrived with a broken lid. Can you send a new one?"
ANSWER = {"customer_name": "Anna Keller", "order_number": "A-48213"}

OUTPUTS: dict[str, Any] = {
    "contract_review": {
        "customer": "Northwind Traders",
        "months": 36,
        "value_eur": 43200,
        "checked": True,
    },
    "customer_message": (
        "# Order A-48213: Anna Keller\n\nQueue: support. Answer within two working days.\n\n"
        f"> {MESSAGE}\n"
    ),
    "expense_report": {
        "lines": [
            {"shop": "Grand Hotel", "cents": 19800},
            {"shop": "Taxi Berlin", "cents": 3150},
            {"shop": "Cafe Central", "cents": 2490},
        ],
        "total_cents": 25440,
        "over_limit": True,
    },
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
"""The right output of each example that the local model can do, for its recorded input."""


def test_every_example_is_tested():
    played = (read("tests/execution/test_examples.py")).split('example("')

    assert set(EXAMPLES) == set(OUTPUTS) | {each.partition('"')[0] for each in played[1:]}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_each_is_valid(cli: Cli, name: str):
    assert cli("validate", str(EXAMPLES[name].path)).code == 0


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_each_says_whether_the_local_model_can_do_it(name: str):
    comments = "".join(re.findall(r"^#.*\n", EXAMPLES[name].source, re.MULTILINE))
    (row,) = re.findall(rf"^\| \[`{name}.yaml`\].* \| ([\w ]+) \|$", read("examples/README.md"), re.MULTILINE)  # fmt: skip

    calls = "prompt:" in EXAMPLES[name].source
    assert ("The local model can do this" in comments) is (calls and name in OUTPUTS)
    assert ("Use a larger model." in comments) is (name not in OUTPUTS)
    assert row == ("not used" if not calls else "yes" if name in OUTPUTS else "no")


@pytest.mark.slow
@needs_local_model
@pytest.mark.parametrize("name", sorted(OUTPUTS))
async def test_the_local_model_gives_the_right_output(command: Command, name: str):
    assert (await run_example(command, name))["output"] == OUTPUTS[name]


@pytest.mark.slow
async def test_a_larger_model_is_called_in_its_place(
    command: Command, provider: RunningFakeProvider
):
    command.use(provider)
    provider.configure(text=json.dumps(ANSWER))

    run = await run_example(command, "customer_message")

    assert run["output"] == OUTPUTS["customer_message"]
    assert MESSAGE in provider.requests[0].body["messages"][-1]["content"]


@pytest.mark.slow
@pytest.mark.parametrize("text", [None, '{"customer_name": null, "order_number": null}'])
async def test_values_that_are_not_in_the_message_are_not_used(
    command: Command, provider: RunningFakeProvider, text: str | None
):
    command.use(provider)
    # Without a text, the provider invents values that match the patterns.
    provider.configure(text=text)

    run = await run_example(command, "customer_message")

    assert run["output"].startswith("# No order number: unknown customer\n")


async def run_example(command: Command, name: str) -> dict[str, Any]:
    path = EXAMPLES[name].path
    file = path.parent / "inputs" / f"{name}.json"
    given = ("--input-file", str(file), "--review", "approve")
    said = await command("run", str(path), *given, "--json")
    assert said.code == 0, said
    return json.loads(said.out)
