"""tests/docs/messages.txt: the texts of the source that people can get to read, by module.

A change of a message shows in the diff of this file, and tests check its English. The source has no list of messages,
so each text of several words counts, except docstrings, SQL and code.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from reference import source_texts, syntax

_OTHERS = (
    # Code for the sandbox, SQL, and imitations of other systems.
    "sandbox.python_prelude", "store.tables.*", "store.migrations.*", "queue.ticket_statements", "cli.fake_*",
    # Descriptions, which openapi.json and the JSON Schema of the language show, and copies of `client.aio`.
    "server.docs.*", "language.json_schema.*", "client.models", "client.aio.operations", "client.sync.*",
)  # fmt: skip


def golden() -> str:
    """The whole file."""
    lines: dict[str, None] = {}
    for path, tree in syntax.trees().items():
        module = _module_name(path)
        if not any(fnmatchcase(module, pattern) for pattern in _OTHERS):
            lines |= dict.fromkeys(f"{module}: {' '.join(text.split())}" for text in _shown(tree))
    return "\n".join(lines) + "\n"


def _shown(tree: ast.Module) -> Iterator[str]:
    for node in source_texts.texts(tree):
        text = source_texts.rendered(node)
        if source_texts.is_markup(text):
            yield from source_texts.of_markup(text)
        elif source_texts.is_prose(text) and source_texts.is_sentence(text):
            yield text


def _module_name(path: Path) -> str:
    parts = path.relative_to(syntax.PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")
