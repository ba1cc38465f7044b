"""What is installed is what was checked: hashes of packages and tools, digests of images."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepiq import __version__
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


class TestAudit:
    def test_it_checks_the_python_packages_that_a_server_is_installed_with(self):
        installed = re.findall(
            r'runtime\) locks="(.*)"', (ROOT / "scripts/bootstrap.sh").read_text()
        )
        checked = re.findall(r"--requirement (\S+)", (ROOT / "scripts/audit.sh").read_text())

        assert [each.split() for each in installed] == [checked]


class TestAuditOfPython:
    TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in audit\n'
    PROXY = "requests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org', port=443)"
    STATUS = f"requests.exceptions.HTTPError: 503\n\n{TRACEBACK}pip_audit._service.interface.ServiceError"
    TIP = "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service with `-s SERVICE`"

    @pytest.mark.parametrize(
        ("errors", "reason"),
        [
            (TRACEBACK + PROXY, "ProxyError"),
            (TRACEBACK + STATUS, "HTTPError"),
            (f"ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n{TIP}", "ConnectTimeout"),
        ],
    )  # fmt: skip
    def test_without_pypi_it_prints_one_sentence(self, errors: str, reason: str):
        audited = self.audit(1, errors)

        assert audited.returncode == 1
        assert audited.stderr == (
            f"The Python packages could not be checked, because https://pypi.org gave no usable response ({reason}):"
            " run `make audit` on a machine that can reach it.\n"
        )

    @pytest.mark.parametrize(
        "errors",
        [
            TRACEBACK + "pip_audit._service.interface.ServiceError: Received malformed version",
            TRACEBACK + PROXY + "\n\n" + TRACEBACK + "KeyError: 'aliases'",
            "ERROR:pip_audit._cli:one: Dependency not found on PyPI and could not be audited: one (1.0)",
            "Found 1 known vulnerability in 1 package",
        ],
    )
    def test_it_prints_all_other_errors(self, errors: str):
        audited = self.audit(1, errors)

        assert audited.returncode == 1
        assert audited.stderr.startswith(f"{errors}\nThe Python packages have the vulnerabilities")

    def test_without_vulnerabilities_it_prints_what_pip_audit_prints(self):
        audited = self.audit(0, "No known vulnerabilities found")

        assert (audited.returncode, audited.stdout) == (0, "No known vulnerabilities found\n")

    @staticmethod
    def audit(code: int, errors: str) -> subprocess.CompletedProcess[str]:
        """Run the script with a command in the place of pip-audit."""
        command = "import sys; print(sys.argv[2], file=sys.stderr); sys.exit(int(sys.argv[1]))"
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "audit_python.py", sys.executable, "-c", command, str(code), errors],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip


@pytest.mark.slow
class TestAuditOfTheWebInterface:
    def test_it_asks_about_each_package_that_is_not_for_development(self):
        locked = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]
        needed = {
            path.rpartition("node_modules/")[2]
            for path, package in locked.items()
            if path and not package.get("dev")
        }

        with advisories({}) as (registry, asked):
            audited = audit_ui(registry)

        assert audited.returncode == 0, audited.stderr
        assert [set(each) for each in asked] == [needed]

    def test_it_fails_if_one_is_known_to_be_vulnerable(self):
        known = {"id": 1, "title": "Bad", "severity": "high", "vulnerable_versions": "*"}

        with advisories({"react": [known | {"url": "https://example.com/1"}]}) as (registry, _):
            audited = audit_ui(registry)

        assert audited.returncode == 1
        assert "react" in audited.stdout

    def test_it_fails_without_advisories(self):
        audited = audit_ui("http://127.0.0.1:9")

        assert audited.returncode == 1
        assert "`npm audit --package-lock-only --omit=dev` failed" in audited.stderr
        assert "or run `make audit` on another machine." in audited.stderr


def audit_ui(registry: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "audit_ui.py"],
        env={**os.environ, "npm_config_registry": registry, "npm_config_fetch_retries": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def advisories(known: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """An npm registry with these advisories: its URL, and the packages that it was asked about."""
    asked: list[dict[str, list[str]]] = []

    class Registry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            asked.append(json.loads(body))
            self._answer(200, known)

        def do_GET(self) -> None:
            self._answer(404, {})

        def _answer(self, status: int, content: object) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with serving(Registry) as url:
        yield url, asked


class TestFinishSbom:
    LOCK = "one==1.0 \\\n    --hash=sha256:aa\ntwo==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:bb\n"

    @pytest.mark.parametrize(
        ("listed", "code", "missing"),
        [
            ([("one", "1.0"), ("two", "2.0")], 0, ""),
            ([("one", "1.0")], 1, " does not list two 2.0 of "),
            ([("one", "1.0"), ("two", "2.1")], 1, " does not list two 2.0 of "),
        ],
    )
    def test_each_package_of_the_lock_file_is_listed(
        self, tmp_path: Path, listed: list[tuple[str, str]], code: int, missing: str
    ):
        document = self.document(tmp_path, listed)

        finished = self.finish(document)

        assert finished.returncode == code
        assert missing in finished.stderr

    def test_the_document_has_the_version_of_the_package(self, tmp_path: Path):
        document = self.document(tmp_path, [("one", "1.0"), ("two", "2.0")])

        self.finish(document)

        described = json.loads(document.read_text())["metadata"]["component"]
        assert described == {"name": "stepiq", "version": __version__}

    @staticmethod
    def document(folder: Path, listed: list[tuple[str, str]]) -> Path:
        path = folder / "sbom.json"
        content = {
            "components": [{"name": name, "version": version} for name, version in listed],
            "metadata": {"component": {"name": "stepiq"}},
        }
        path.write_text(json.dumps(content))
        return path

    def finish(self, document: Path) -> subprocess.CompletedProcess[str]:
        lock = document.with_name("some.lock")
        lock.write_text(self.LOCK)
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "finish_sbom.py", document, lock],
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; gives the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


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
    with serving(_Registry) as url:
        yield url


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

    def test_only_the_images_of_the_repository_get_digests(
        self, tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch
    ):
        texts = {name: (ROOT / name).read_text() for name in ("Dockerfile", "compose.yaml")}
        services = yaml.safe_load(texts["compose.yaml"])["services"]
        (base,) = re.findall(r"^ARG BASE=(.*)$", texts["Dockerfile"], re.MULTILINE)
        expected = dict(texts)
        images = [("Dockerfile", base), ("compose.yaml", services["postgres"]["image"])]
        for number, (file, image) in enumerate(images):
            name, _, tag = image.partition(":")
            digest = f"sha256:{number:064}"
            monkeypatch.setitem(DIGESTS, f"/v2/library/{name}/manifests/{tag}", digest)
            assert texts[file].count(image) == 1
            expected[file] = texts[file].replace(image, f"{image}@{digest}")
        for name, text in texts.items():
            (tmp_path / name).write_text(text)

        pinned = pin(tmp_path, registry)

        assert pinned.returncode == 0, pinned.stderr
        assert {name: (tmp_path / name).read_text() for name in texts} == expected

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
