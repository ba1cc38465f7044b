"""The commands that pages offer: copy one, and run it."""

import asyncio
import os
from pathlib import Path

from playwright.async_api import Page


async def output_of(folder: Path, *command: str, **variables: str) -> str:
    """The output of a command in a folder."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().strip()


async def copied(page: Page) -> str:
    """The text of the clipboard, once there is one."""
    async with asyncio.timeout(30):
        while True:
            if text := await page.evaluate("navigator.clipboard.readText()"):
                return str(text)
            # The button says "Copied" for a moment only, so it is not waited for.
            await asyncio.sleep(0.05)
