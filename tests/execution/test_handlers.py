import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from stepiq import execution
from stepiq.execution.handlers import GROUP, InstallationIncomplete, handlers
from stepiq.language.specs import StepType
from stepiq.language.steps.registry import KINDS

SOURCES = sorted(Path(str(execution.__file__)).parent.rglob("*.py"))
# Errors have a field `code`.
TYPES = "|".join(each for each in StepType if each is not StepType.CODE)
NAMED = re.compile(rf"StepType\.|\b\w+Spec\b(?<!StepSpec)|[\"'](?:{TYPES})[\"']")


class TestHandlers:
    def test_every_type_of_the_language_has_one(self):
        assert set(handlers()) == {str(kind) for kind in KINDS}

    def test_each_is_in_the_package_of_its_type(self):
        packages = {entry.name: entry.value for entry in entry_points(group=GROUP)}

        assert packages == {name: f"stepiq.steps.{name}" for name in handlers()}

    def test_a_missing_type_is_named_with_what_to_do(self, monkeypatch: pytest.MonkeyPatch):
        installed = entry_points(group=GROUP)
        others = [entry for entry in installed if entry.name != "wait"]
        monkeypatch.setattr("stepiq.execution.handlers.entry_points", lambda **_: others)
        handlers.cache_clear()

        with pytest.raises(InstallationIncomplete, match=r"steps of type wait\. Install it again"):
            handlers()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_execution_names_no_step_type(source: Path):
    assert not NAMED.findall(source.read_text(encoding="utf-8"))
