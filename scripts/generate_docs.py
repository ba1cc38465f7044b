"""Write the files that are generated from the code.

These are pages of the documentation, and openapi.json. Without `--check`, the client library is generated from the new
openapi.json.

Usage: python scripts/generate_docs.py [--check]    --check writes nothing and names the pages that are stale
"""

import gc
import sys
from pathlib import Path

from client_library import writing
from reference import (
    commands,
    errors,
    events,
    messages,
    metrics,
    openapi,
    routes,
    settings,
)

ROOT = Path(__file__).parents[1]
_NOTICE = "<!-- Generated from the code by `make docs`. Do not edit. -->\n\n"


def pages() -> dict[Path, str]:
    """Every generated file's content."""
    made = {
        "docs/errors.md": errors.page(),
        "docs/reference/routes.md": routes.page(),
        "docs/reference/settings.md": settings.page(),
        "docs/reference/events.md": events.page(),
        "docs/reference/metrics.md": metrics.page(),
        "docs/reference/commands.md": commands.page(),
    }
    found = {ROOT / name: _NOTICE + text.rstrip() + "\n" for name, text in made.items()}
    found[ROOT / "tests/docs/messages.txt"] = messages.golden()
    found[ROOT / "openapi.json"] = openapi.document()
    return found


def main() -> int:
    """Write what has changed. With `--check`, write nothing and return 1 if a page is stale."""
    # There are millions of parts of syntax trees, and no garbage to collect.
    gc.disable()
    only_check = "--check" in sys.argv[1:]
    made = pages()
    stale = [
        path
        for path, text in made.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if only_check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale. Run: make docs")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    writing.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
