import ast
import re
from pathlib import Path

import stepiq.language
from stepiq.language.definitions.loading import load
from stepiq.language.definitions.names import NEVER_PRESENT
from stepiq.language.definitions.step_types import LATER, step_types
from stepiq.language.documents.source import SourceFormat
from stepiq.language.templates.helpers import HELPERS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "language.md").read_text(encoding="utf-8")
ERRORS = (DOCS / "errors.md").read_text(encoding="utf-8")
SOURCES = Path(stepiq.language.__file__).parent
TYPES = SOURCES.parent / "steps"
CARRIERS = {"Issue", "PathProblem", "refuse", "spoil", "_at"}
WORD = re.compile(r"[a-z]+(?:_[a-z]+)*")


def codes() -> set[str]:
    """Every code that the language gives, found where issues are made."""
    found = {NEVER_PRESENT}
    for path in [*SOURCES.rglob("*.py"), *TYPES.glob("*/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Return) and path.name == "names.py":
                found |= _first_text(node.value.elts if isinstance(node.value, ast.Tuple) else [])
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                # The code follows the path or the field's name; the YAML reader knows its path itself.
                at = 0 if path.parent.name == "yaml" else 1
                found |= _first_text(node.args[at : at + 2]) if name in CARRIERS else set()
    return found


def _first_text(nodes) -> set[str]:
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return {text for text in texts[:1] if WORD.fullmatch(text)}


class TestLanguagePage:
    def test_its_examples_are_valid(self):
        examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

        assert examples
        for example in examples:
            assert load(example, SourceFormat.YAML).errors == ()

    def test_the_page_of_errors_names_every_code(self):
        assert codes() > {"unknown_field", "syntax", "yaml_alias", "unknown_step"}
        assert {code for code in codes() if f"| `{code}` |" not in ERRORS} == set()

    def test_it_names_every_step_type_and_helper(self):
        assert {name for name in step_types().keys() | LATER if f"`{name}`" not in PAGE} == set()
        assert {name for name in HELPERS if not re.search(rf"[`{{ (]{name}[` }}]", PAGE)} == set()
