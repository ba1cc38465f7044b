import re
from pathlib import Path

import pytest

from stepiq import execution
from stepiq.execution.handlers import handlers
from stepiq.language.definitions.step_types import LATER, step_types

SOURCES = sorted(Path(str(execution.__file__)).parent.rglob("*.py"))
# Errors have a field `code`.
TYPES = "|".join(each for each in step_types().keys() | LATER if each != "code")
NAMED = re.compile(rf"\b\w+Spec\b(?<!StepSpec)|[\"'](?:{TYPES})[\"']")


class TestHandlers:
    def test_every_type_of_the_language_has_one(self):
        assert set(handlers()) == set(step_types())


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_execution_names_no_step_type(source: Path):
    assert not NAMED.findall(source.read_text(encoding="utf-8"))
