"""Builds the packages of a release: an sdist and a wheel of `stepiq-slim` and of `stepiq`.

Usage: python scripts/build_release.py [FOLDER]    FOLDER must not contain packages; the default is dist

First it checks that the version, the changelog and a tag of the commit agree, and that all files are committed. The
wheels are built from the sdists, so both have the same files. Building again gives the same bytes: the files have the
time of the commit. It also writes constraints.txt: the locked version of each package that a server needs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = "constraints.txt"
PROJECTS = (ROOT, ROOT / "distributions" / "stepiq")


def version() -> str:
    """The version of this source tree."""
    source = (ROOT / "src" / "stepiq" / "__init__.py").read_text("utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    return found


def problems(wanted: str, changelog: str, tags: list[str], changed: str = "") -> list[str]:
    """Why the source tree is not one of this release.

    Args:
        wanted: the version.
        changelog: the text of CHANGELOG.md.
        tags: the tags of the commit that name a version.
        changed: the files that differ from the commit, as git lists them. The sdist would contain new ones.
    """
    found: list[str] = []
    newest = re.search(r"^## \[(\d[^\]]*)\] - (\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)
    if newest is None or newest[1] != wanted:
        found.append(f"CHANGELOG.md: the newest section must be `## [{wanted}] - YYYY-MM-DD`.")
    found += [f"The commit has the tag {tag}, but the version is {wanted}." for tag in tags if tag != f"v{wanted}"]  # fmt: skip
    if changed:
        found.append(f"Files differ from the commit. Commit or remove them first:\n{changed}")
    return found


def build(folder: Path) -> list[Path]:
    """Build the packages into a folder. Returns their paths."""
    folder = folder.resolve()
    times = {"SOURCE_DATE_EPOCH": _git("log", "-1", "--format=%ct") or "1577836800", **os.environ}
    for project in PROJECTS:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
        subprocess.run(command, cwd=project, env=times, check=True, stdout=subprocess.DEVNULL)
    sdists = sorted(folder.glob("*.tar.gz"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    here = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *here, *map(str, sdists)], cwd=ROOT, env=times, check=True)
    return [*sdists, *sorted(folder.glob("*.whl"))]


def constraints() -> str:
    """The locked versions as a constraints file of pip, without hashes."""
    locked = (ROOT / "requirements.lock").read_text("utf-8")
    return "".join(f"{each}\n" for each in re.findall(r"^[a-z0-9][\w.-]*==\S+", locked, re.MULTILINE))  # fmt: skip


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def main() -> int:
    """Run the command; returns its exit code."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist")
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    tags = _git("tag", "--points-at", "HEAD", "--list", "v*").splitlines()
    changed = _git("status", "--porcelain")
    if found := problems(version(), changelog, tags, changed):
        print("\n".join(found), file=sys.stderr)
        return 1
    if any((*folder.glob("*.whl"), *folder.glob("*.tar.gz"))):
        print(f"{folder} already contains packages. Delete them first.", file=sys.stderr)
        return 1
    for path in build(folder):
        print(f"{path}  {path.stat().st_size / 1_000_000:.1f} MB")
    (folder / CONSTRAINTS).write_text(constraints(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
