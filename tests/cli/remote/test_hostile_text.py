"""What others have written on a server does not control the terminal of a command."""

import json

import pytest

from tests.cli.remote.conftest import Remote
from tests.support.hostile import HOSTILE, controls_in

TEXT = json.dumps(f"x{HOSTILE}y")
PIPELINE = f"""\
name: {TEXT}
description: {TEXT}
steps:
  - id: broken
    type: code
    language: python
    on_error: continue
    source: |
      def main(input):
          print({TEXT})
          raise ValueError({TEXT})
  - {{id: check, type: human_review, message: {TEXT}, input: input}}
"""
OTHER = PIPELINE.replace(TEXT, json.dumps(f"other{HOSTILE}"))
MARK = "52;c;ZXZpbA=="
"""A part of `HOSTILE` without control characters."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["pipelines", "list"],
        ["pipelines", "list", "--json"],
        ["reviews", "list"],
        ["reviews", "show", "RUN", "check"],
        ["reviews", "show", "RUN", "check", "--json"],
        ["runs", "list"],
        ["runs", "show", "RUN"],
        ["runs", "show", "RUN", "--json"],
        ["runs", "logs", "RUN"],
        ["diff", "flows"],
    ],
    ids=" ".join,
)
async def test_a_waiting_run(remote: Remote, arguments: list[str]):
    await remote.save("hostile", PIPELINE)
    remote.write("hostile.yaml", OTHER)
    run = await remote.run_until_review("hostile")

    said = await remote(*(each.replace("RUN", run["id"]) for each in arguments))

    assert MARK in said.out + said.err
    assert not controls_in(said.out + said.err)
