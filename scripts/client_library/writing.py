"""Writes the generated part of the client library: the models, the operations, and the synchronous twin of all."""

import json
from pathlib import Path

from client_library import operations, schemas, twins
from client_library.schemas import Names

ROOT = Path(__file__).parents[2]
_PACKAGE = ROOT / "src" / "stepiq" / "client"
_NOTICE = "# Generated from openapi.json and stepiq.client.aio by scripts/client_library. Do not edit.\n\n"
_WRITTEN = {
    "runs": ("stepiq.client.aio.runs", "AsyncRuns"),
    "webhooks": ("stepiq.client.aio.webhooks", "AsyncWebhooks"),
}
"""Topics with methods that are written by hand: the module, and the class that has all of its methods."""


def files() -> dict[Path, str]:
    """The content of every generated file."""
    document = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    names = Names(document["components"]["schemas"])
    found = operations.read(document, names)
    names.bases = operations.derived(found, names.schemas)
    names.inputs = operations.inputs(found, names)
    firsts = [name for each in found for name in operations.used_schemas(each, names)]
    models = schemas.used(names, firsts)
    generated = {
        "operations.py": operations.module(found, names, models),
        "topics.py": operations.topics(found, _WRITTEN),
    }
    written = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted((_PACKAGE / "aio").glob("*.py"))
        if path.name not in generated
    }
    made = {"models.py": schemas.module(names, models)}
    made |= {f"aio/{name}": text for name, text in generated.items()}
    made |= {f"sync/{name}": twins.of(text) for name, text in (written | generated).items()}
    made["sync/__init__.py"] = '"""The client for programs without an event loop."""\n'
    return {_PACKAGE / name: _NOTICE + text for name, text in made.items()}


def write() -> None:
    """Write the files that have changed, and delete twins of deleted modules."""
    made = files()
    for path in set((_PACKAGE / "sync").glob("*.py")) - made.keys():
        path.unlink()
    for path, text in made.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
