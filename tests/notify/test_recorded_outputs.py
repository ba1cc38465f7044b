"""The outputs of a run that the templates of a target read."""

from typing import Any

import pytest

from stepiq.core import json
from tests.notify.conftest import Sender
from tests.support.receiver import Receiver

SOURCE = """
name: Outputs
input: {{schema: {{type: object}}}}
steps:
  - {{id: large, type: transform, template: "{{{{input.text}}}}"}}
  - id: both
    type: parallel
    steps:
      - {{id: left, steps: [{{id: a, type: transform, template: "in a branch"}}]}}
      - {{id: right, steps: [{{id: b, type: transform, template: "b"}}]}}
  - {{id: short, type: transform, template: "short"}}
output:
  deliver:
    - type: webhook
      url: {url}
      signing_secret_name: SIGNING
      headers: {{X-Seen: "{seen}"}}
"""


class TestOutputs:
    @pytest.mark.slow
    @pytest.mark.both_stores
    @pytest.mark.parametrize(
        ("template", "seen"),
        [
            ("{{steps.short.output}}", "short"),
            ("{{steps.left.output}}", "in a branch"),
            ("{{#each steps}}{{@key}} {{this.status}}. {{/each}}", "large completed."),
            ("{{#each steps}}{{length this.output}} {{/each}}", "70000 "),
            ("{{run.trigger_type}}", "manual"),
        ],
    )
    async def test_a_template_can_read_them(
        self, sender: Sender, receiver: Receiver, template: str, seen: str
    ):
        await sender.sent(SOURCE.format(url=receiver.url, seen=template), text="x" * 70_000)

        [request] = receiver.received
        assert request.headers["x-seen"].startswith(seen)

    @pytest.mark.parametrize("template", ["{{steps.short.output}}", "{{run.id}}"])
    async def test_others_are_not_parsed(
        self, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, template: str
    ):
        parsed, read = set[str](), json.read_trusted

        def noted(text: str) -> Any:
            parsed.add(text)
            return read(text)

        monkeypatch.setattr(json, "read_trusted", noted)

        delivery = await sender.sent(
            SOURCE.format(url=receiver.url, seen=template), text="x" * 70_000
        )

        assert delivery["status"] == "delivered"
        assert json.dumps("x" * 70_000) not in parsed

    async def test_a_skipped_repetition_of_a_step_in_a_branch_hides_no_output(
        self, sender: Sender, receiver: Receiver
    ):
        repeats = SOURCE.replace(
            'template: "in a branch"',
            'template: "in a branch", if: "steps.a.status == \'pending\'", '
            'on_condition: [{{if: "true", goto: a, max_loops: 1, on_limit: next}}]',
        )

        await sender.sent(repeats.format(url=receiver.url, seen="{{steps.left.output}}"), text="x")

        [request] = receiver.received
        assert request.headers["x-seen"] == "in a branch"
