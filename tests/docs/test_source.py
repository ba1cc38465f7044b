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


def test_few_tests_replace_a_private_name():
    """Use the public interface instead, or `tests.support.loop_time`. This number may only become smaller."""
    replaced = [
        f"{path.name}:{call.lineno}"
        for path in OTHERS
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "setattr"
        and _replaced(call).startswith("_")
        and not _replaced(call).startswith("__")
    ]

    assert len(replaced) <= 20, replaced


def _replaced(call: ast.Call) -> str:
    """The name that a call of `setattr` replaces: `name` in `(target, "name", value)` and `("module.name", value)`."""
    texts = [
        each.value
        for each in call.args[:2]
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    return texts[-1].rpartition(".")[2] if texts else ""
