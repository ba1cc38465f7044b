from stepiq.execution.scope import owners
from stepiq.language.loading import load
from stepiq.language.source import SourceFormat

TEXT = """\
name: T
steps:
  - {id: first, type: transform, template: x}
  - id: both
    type: parallel
    steps:
      - id: left
        steps: [{id: a, type: transform, template: x}, {id: b, type: transform, template: x}]
      - {id: right, steps: [{id: c, type: transform, template: x}]}
"""


def test_steps_of_branches_are_seen_under_the_branch():
    definition = load(TEXT, SourceFormat.YAML).definition
    assert definition is not None

    assert owners(definition) == {
        ("first", ""): "first",
        ("both", ""): "both",
        ("a", "0"): "left",
        ("b", "0"): "left",
        ("c", "1"): "right",
    }
