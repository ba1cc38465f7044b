"""Write the digests of the base images into Dockerfile and compose.yaml, so that a build always uses the same images.

Usage: python scripts/pin_images.py [--folder FOLDER] [--registry URL]

Without a digest, an exact tag such as `python:3.13.16-slim-trixie` can still be built anew for security updates of its
packages. Commit the result if you want to check each update. Run it again after you change a tag.
"""

import argparse
import re
import sys
from pathlib import Path

import httpx2

_HUB = "https://registry-1.docker.io"
# Only where an image is expected: `postgres:5432` in a URL is a host and a port.
_IMAGE = re.compile(
    r"(?P<before>^ARG BASE=|^FROM +|^ *image: +)(?P<name>[a-z]+):(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]{64})?",
    re.MULTILINE,
)
_MEDIA = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_FILES = ("Dockerfile", "compose.yaml")
_TIMEOUT_SECONDS = 20


def main() -> int:
    """Pin every image; 1 if the registry doesn't answer, and then no file is changed."""
    parser = argparse.ArgumentParser(description="Pins the base images by digest.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--registry", default=_HUB)
    chosen = parser.parse_args()
    paths = [chosen.folder / name for name in _FILES]
    texts = {path: path.read_text() for path in paths}
    images = {
        match.group("name", "tag") for text in texts.values() for match in _IMAGE.finditer(text)
    }
    try:
        with httpx2.Client(base_url=chosen.registry, timeout=_TIMEOUT_SECONDS) as client:
            digests = {image: _digest(client, *image) for image in sorted(images)}
    except httpx2.HTTPError as error:
        problem = f"{chosen.registry} cannot be used: {error}. No file was changed."
        print(problem, file=sys.stderr)  # noqa: TID251 - the rule is for the product, not for scripts
        return 1
    for path, text in texts.items():
        path.write_text(_IMAGE.sub(lambda match: _pinned(match, digests), text))
    for (name, tag), digest in digests.items():
        print(f"{name}:{tag}@{digest}")
    return 0


def _digest(client: httpx2.Client, name: str, tag: str) -> str:
    path = f"/v2/library/{name}/manifests/{tag}"
    headers = {"Accept": _MEDIA}
    answer = client.head(path, headers=headers)
    if answer.status_code == httpx2.codes.UNAUTHORIZED:
        # The registry names the server that gives out anonymous tokens.
        asked = dict(_CHALLENGE.findall(answer.headers["WWW-Authenticate"]))
        token = client.get(asked.pop("realm"), params=asked).raise_for_status().json()["token"]
        answer = client.head(path, headers={**headers, "Authorization": f"Bearer {token}"})
    return str(answer.raise_for_status().headers["Docker-Content-Digest"])


def _pinned(match: re.Match[str], digests: dict[tuple[str | None, ...], str]) -> str:
    before, name, tag = match.group("before", "name", "tag")
    return f"{before}{name}:{tag}@{digests[name, tag]}"


if __name__ == "__main__":
    sys.exit(main())
