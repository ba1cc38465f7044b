from datetime import timedelta

from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat

PLAIN = "name: A\nsteps: [{id: a, type: transform, template: x}]\n"
DELIVERING = """
name: A
steps:
  - {id: a, type: human_review, message: x, assignees: [ada@example.com]}
output:
  deliver:
    - type: webhook
      url: "https://example.com/{{env.PATH}}"
      headers: {Authorization: "Bearer {{env.TOKEN}}"}
      signing_secret_name: SIGNING
"""


def definition(source: str) -> Definition:
    loaded = load(source, SourceFormat.YAML)
    assert loaded.errors == ()
    assert loaded.definition is not None
    return loaded.definition


class TestProperties:
    def test_a_pipeline_that_only_computes_reaches_nobody(self):
        found = definition(PLAIN)

        assert found.step_count == 1
        assert not found.has_webhook_target
        assert not found.sends_mail
        assert found.signing_secret_names == frozenset()
        assert [step.spec.asked_models for step in found.every_step] == [()]
        assert [step.spec.longest_wait for step in found.every_step] == [timedelta(0)]

    def test_targets_and_reviews_reach_others(self):
        found = definition(DELIVERING)

        assert found.has_webhook_target
        assert found.sends_mail
        assert found.signing_secret_names == {"SIGNING"}
        assert {"PATH", "TOKEN"} <= found.secret_names
