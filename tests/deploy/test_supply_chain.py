"""What is installed is what was checked: hashes of packages and tools, digests of images."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.containers import ROOT

DIGESTS = {
    "/v2/library/python/manifests/3.13.1-slim": "sha256:" + "a" * 64,
    "/v2/library/postgres/manifests/17.1": "sha256:" + "b" * 64,
}


class TestTools:
    @pytest.mark.parametrize(
        "name", ["requirements.lock", "requirements-dev.lock", "requirements-ui.lock", "requirements-uv.lock", "requirements-audit.lock"]
    )  # fmt: skip
    def test_every_package_of_a_lock_file_has_a_hash(self, name: str):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        packages = [
            line for line in text.splitlines() if line and not line.lstrip().startswith("#")
        ]

        assert packages
        assert [line for line in packages if not re.search(r"==\S+.*--hash=sha256:", line)] == []

    def test_scripts_install_only_what_has_a_hash(self):
        installs = [
            line.strip()
            for path in [*(ROOT / "scripts").glob("*.sh"), ROOT / "Makefile"]
            for line in path.read_text().replace("\\\n", " ").splitlines()
            if re.search(r"pip install |pip sync ", line)
            and not line.lstrip().startswith(("#", "say"))
            and "--help" not in line
        ]

        assert len(installs) == 5
        unchecked = [each for each in installs if "--require-hashes" not in each]
        assert [
            each for each in unchecked if "--no-deps" not in each or "--editable ." not in each
        ] == []


class _Registry(BaseHTTPRequestHandler):
    """Gives out digests to clients with a token, as Docker Hub does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"token": "anonymous"}')

    def do_HEAD(self) -> None:
        digest = DIGESTS.get(self.path)
        if self.headers["Authorization"] != "Bearer anonymous":
            self.send_response(401)
            realm = f"http://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="registry"')
        elif digest is None:
            self.send_response(404)
        else:
            self.send_response(200)
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("ARG BASE=python:3.13.1-slim\nFROM ${BASE}\n")
    (tmp_path / "compose.yaml").write_text("image: postgres:17.1\n")
    return tmp_path


def pin(folder: Path, registry: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "pin_images.py"
    return subprocess.run(
        [sys.executable, script, "--folder", folder, "--registry", registry],
        capture_output=True,
        text=True,
        check=False,
    )


class TestPinImages:
    def test_it_writes_digests_and_replaces_them_the_next_time(self, folder: Path, registry: str):
        first, second = pin(folder, registry), pin(folder, registry)

        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        dockerfile = (folder / "Dockerfile").read_text()
        assert dockerfile == f"ARG BASE=python:3.13.1-slim@sha256:{'a' * 64}\nFROM ${{BASE}}\n"
        assert (folder / "compose.yaml").read_text() == f"image: postgres:17.1@sha256:{'b' * 64}\n"

    def test_an_unknown_image_changes_nothing(self, folder: Path, registry: str):
        (folder / "compose.yaml").write_text("image: postgres:99.9\n")

        pinned = pin(folder, registry)

        assert pinned.returncode == 1
        assert "No file was changed." in pinned.stderr
        assert "@" not in (folder / "Dockerfile").read_text()

    def test_without_a_registry_it_says_so(self, folder: Path):
        pinned = pin(folder, "http://127.0.0.1:9")

        assert pinned.returncode == 1
        assert "cannot be used" in pinned.stderr
