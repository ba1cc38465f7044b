from importlib.metadata import entry_points
from pathlib import Path

import pytest

from stepiq import steps
from stepiq.language import step_types as types
from stepiq.language.loading import load_document
from stepiq.language.step_types import GROUP, InstallationIncomplete, packages, step_types


@pytest.fixture
def without_cache():
    packages.cache_clear()
    step_types.cache_clear()
    yield
    packages.cache_clear()
    step_types.cache_clear()


class TestPackages:
    def test_each_built_in_type_is_registered_under_the_name_of_its_package(self):
        folders = {path.parent.name for path in Path(steps.__path__[0]).glob("*/spec.py")}

        assert {name: f"stepiq.steps.{name}" for name in folders} == packages()

    @pytest.mark.usefixtures("without_cache")
    def test_a_missing_type_is_named_with_what_to_do(self, monkeypatch: pytest.MonkeyPatch):
        others = [entry for entry in entry_points(group=GROUP) if entry.name != "wait"]
        monkeypatch.setattr(types, "entry_points", lambda **_: others)

        with pytest.raises(InstallationIncomplete, match=r"steps of type wait\. Install it again"):
            load_document({"name": "x", "steps": [{"id": "a", "prompt": "x"}]})
