"""Where a folder comes from: the text that marks the pipelines of a deployment as its own."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

MAX_LENGTH = 500
_SSH = re.compile(r"(?:[^@/\s]+@)?([^:/\s]+):(?!//)(.+)")
_GIT_SECONDS = 10


def source_of(folder: Path) -> str:
    """The repository and path of a folder, such as `github.com/acme/pipelines/flows`; without git, the folder's name.

    It is the same for all ways to clone a repository, and contains no user name, password or token.
    """
    absolute = folder.resolve()
    url = _git(absolute, "remote", "get-url", "origin")
    inside = _git(absolute, "rev-parse", "--show-prefix")
    repository = repository_name(url) if url else None
    if repository is None or inside is None:
        return absolute.name[:MAX_LENGTH] or "/"
    return "/".join(part for part in (repository, inside.strip("/")) if part)[:MAX_LENGTH]


def repository_name(url: str) -> str | None:
    """The host and path of a git URL without credentials; None if it is not one. A local path gives its last part."""
    if "://" not in url:
        found = _SSH.fullmatch(url)
        host, path = (found[1].lower(), found[2]) if found else ("", url)
    else:
        try:
            parts = urlsplit(url)
            host, path = (parts.hostname or "").lower(), parts.path
        except ValueError:
            return None
    path = path.strip("/").removesuffix(".git").strip("/")
    if not host:
        path = path.rpartition("/")[2]
    name = "/".join(part for part in (host, path) if part)
    return name or None


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git; None if it fails, for example outside of a repository."""
    # In the container of a CI job, the checkout often belongs to another user, and git then refuses to read it. These
    # commands only print values: they start no program that the configuration of the repository names.
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            command,
            capture_output=True,
            check=False,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
