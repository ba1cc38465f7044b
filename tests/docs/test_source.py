import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FILES = [
    path
    for path in sorted((ROOT / "src").rglob("*.py"))
    # The generated part of the client library has the names of the API.
    if not path.read_text(encoding="utf-8").startswith("# Generated")
]
OTHERS = sorted(
    path for folder in ("tests", "bench", "scripts") for path in (ROOT / folder).rglob("*.py")
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT / "src" / "stepiq"))


@pytest.mark.parametrize("path", FILES, ids=_name)
class TestFiles:
    def test_each_says_what_it_is_for(self, path):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_file_exceeds_500_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES + OTHERS}

    assert {path for path, lines in lengths.items() if lines > 500} == set()


def test_no_folder_has_more_than_16_modules():
    modules = Counter(path.parent for path in FILES if path.name != "__init__.py")

    assert {_name(folder): number for folder, number in modules.items() if number > 16} == {}


def test_each_class_has_a_name_of_its_own():
    defined = Counter(
        node.name
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, number in defined.items() if number > 1] == []
