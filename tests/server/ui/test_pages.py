import gzip
import re

import pytest

from stepiq.server import ui
from stepiq.server.health import create_probes
from stepiq.server.ui import pages
from stepiq.server.ui.pages import NONCE_PLACE, Bundle

pytestmark = pytest.mark.one_store

PAGE = f"""<!doctype html>
<html lang="en">
<meta property="csp-nonce" nonce="{NONCE_PLACE}">
<script type="module" src="/assets/index-Cx1.js" nonce="{NONCE_PLACE}"></script>
<title>stepIQ</title>
"""
SCRIPT = "console.log('stepIQ');\n" * 200
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def folder(tmp_path):
    """A build, as Vite writes it."""
    built = tmp_path / "dist"
    (built / "assets" / "deep").mkdir(parents=True)
    (built / ".vite").mkdir()
    (built / "index.html").write_text(PAGE)
    (built / ".sources").write_text("hash")
    (built / ".vite" / "manifest.json").write_text("{}")
    (built / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (built / "assets" / "index-Cx1.js").write_text(SCRIPT)
    (built / "assets" / "deep" / "small-D2.css").write_text("a{}")
    (built / "assets" / "inter-F3.woff2").write_bytes(bytes(2_000))
    return built


@pytest.fixture
def built(app, folder):
    pages.BUNDLE.set(app, Bundle.load(folder))


@pytest.fixture
def not_built(app, tmp_path):
    pages.BUNDLE.set(app, Bundle.load(tmp_path / "nothing"))


@pytest.mark.usefixtures("built")
class TestPages:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/login",
            "/reset-password",
            "/verify-email?token=<script>",
            "/review",
            "/run-status",
            "/runs",
            "/runs/",
            "/runs/42?step=a&tab=output",
            "/pipelines/42/edit",
        ],
    )
    async def test_every_url_of_the_app_is_the_same_page(self, client, path):
        response = await client.get(path)

        nonce = re.search(r"'nonce-([^']+)'", response.headers["Content-Security-Policy"])
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert nonce is not None
        assert response.text == PAGE.replace(NONCE_PLACE, nonce[1])

    async def test_the_policy_permits_nothing_from_elsewhere_and_nothing_unsafe(self, client):
        response = await client.get("/")

        policy = dict(
            each.partition(" ")[::2]
            for each in response.headers["Content-Security-Policy"].split("; ")
        )
        nonce = policy["script-src"].removeprefix("'self' ")
        assert policy == {
            "default-src": "'none'",
            "script-src": f"'self' {nonce}",
            "style-src": f"'self' {nonce}",
            "connect-src": "'self'",
            "img-src": "'self' data:",
            "font-src": "'self'",
            "worker-src": "'self'",
            "manifest-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert "unsafe" not in str(policy)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"

    async def test_each_response_has_its_own_nonce(self, client):
        found = {(await client.get("/")).text for _ in range(20)}

        assert len(found) == 20

    async def test_it_needs_no_credential_and_looks_at_none(self, client):
        response = await client.get("/runs", headers={"Authorization": "Bearer x"})

        assert response.status_code == 200

    async def test_head_has_the_headers_only(self, client):
        response = await client.head("/runs")

        assert (response.status_code, response.content) == (200, b"")
        assert "nonce-" in response.headers["Content-Security-Policy"]

    async def test_other_methods_are_refused(self, client):
        response = await client.post("/runs", json={})

        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.usefixtures("built")
class TestUnknownPaths:
    @pytest.mark.parametrize(
        "path", ["/nowhere", "/nowhere/42", "/run", "/.sources", "/index.html"]
    )
    async def test_a_browser_gets_the_page_which_says_that_it_is_missing(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert response.status_code == 404
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "nonce-" in response.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("path", ["/api/nowhere", "/v1/api/nowhere", "/v1/nowhere", "/api/"])
    async def test_under_the_api_it_is_a_problem_for_everyone(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert (response.status_code, response.json()["code"]) == (404, "unknown_path")

    async def test_programs_get_a_problem(self, client):
        for headers in ({}, {"Accept": "application/json"}):
            response = await client.get("/nowhere", headers=headers)
            assert (response.status_code, response.json()["code"]) == (404, "unknown_path")

    async def test_so_does_another_method(self, client):
        response = await client.post("/nowhere", headers=BROWSER)

        assert (response.status_code, response.json()["code"]) == (404, "unknown_path")

    async def test_a_path_of_the_api_with_another_method_stays_a_405(self, client):
        response = await client.get("/api/auth/login", headers=BROWSER)

        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")

    @pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
    async def test_the_pages_of_the_server_stay(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert response.status_code == 200
        assert "<title>stepIQ</title>" not in response.text


@pytest.mark.usefixtures("built")
class TestAssets:
    async def test_they_are_cached_for_ever(self, client):
        response = await client.get("/assets/index-Cx1.js")

        assert response.status_code == 200
        assert response.text == SCRIPT
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    async def test_they_are_compressed_for_clients_that_accept_it(self, client):
        async with client.stream(
            "GET", "/assets/index-Cx1.js", headers={"Accept-Encoding": "br, gzip;q=0.8"}
        ) as response:
            sent = b"".join([each async for each in response.aiter_raw()])

        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert int(response.headers["Content-Length"]) == len(sent) < len(SCRIPT) / 10
        assert gzip.decompress(sent).decode() == SCRIPT

    @pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br"])
    async def test_others_get_them_as_they_are(self, client, accepted):
        response = await client.get("/assets/index-Cx1.js", headers={"Accept-Encoding": accepted})

        assert "Content-Encoding" not in response.headers
        assert response.headers["Vary"] == "Accept-Encoding"

    @pytest.mark.parametrize(
        ("name", "media_type"),
        [("deep/small-D2.css", "text/css; charset=utf-8"), ("inter-F3.woff2", "font/woff2")],
    )
    async def test_small_and_compressed_ones_are_sent_as_they_are(self, client, name, media_type):
        response = await client.get(f"/assets/{name}")

        assert "Content-Encoding" not in response.headers
        assert response.headers["Content-Type"] == media_type

    async def test_a_client_that_has_one_gets_no_copy(self, client):
        first = await client.get("/assets/index-Cx1.js")

        again = await client.get(
            "/assets/index-Cx1.js", headers={"If-None-Match": first.headers["ETag"]}
        )
        other = await client.get("/assets/index-Cx1.js", headers={"If-None-Match": 'W/"x"'})

        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert other.status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/assets/index-Old.js",
            "/assets/",
            "/assets/deep",
            "/assets/../index.html",
            "/assets/%2e%2e/index.html",
            "/assets/..%2f.sources",
            "/assets//etc/passwd",
        ],
    )
    async def test_what_is_not_one_of_them_is_a_404(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert response.status_code == 404
        assert "root:" not in response.text
        assert response.headers["Cache-Control"] == "no-store"

    async def test_an_icon_is_served_at_its_own_name(self, client):
        response = await client.get("/icon.svg")

        assert response.status_code == 200
        assert response.headers["Content-Type"] == "image/svg+xml"
        assert response.headers["Cache-Control"] == "public, max-age=86400"

    async def test_a_build_while_the_server_runs_changes_nothing(self, client, folder):
        (folder / "assets" / "index-Cx1.js").unlink()
        (folder / "index.html").write_text("new")

        assert (await client.get("/assets/index-Cx1.js")).text == SCRIPT
        assert "stepIQ" in (await client.get("/")).text


@pytest.mark.usefixtures("not_built")
class TestNotBuilt:
    @pytest.mark.parametrize("path", ["/", "/login", "/runs/42"])
    async def test_the_page_says_how_to_build_it(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert response.status_code == 404
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "make serve" in response.text

    async def test_the_api_works(self, client):
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/docs")).status_code == 200

    @pytest.mark.parametrize("path", ["/nowhere", "/assets/index-Cx1.js", "/icon.svg"])
    async def test_everything_else_is_a_problem(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert (response.status_code, response.json()["code"]) == (404, "unknown_path")


def test_a_worker_without_an_api_does_not_serve_it(services):
    from stepiq.server.routes import routes_of

    assert {route.path for route in routes_of(create_probes(services))} == {
        "/health",
        "/ready",
        "/metrics",
    }


def test_a_build_is_found_in_the_package():
    from pathlib import Path

    from stepiq.server.ui.pages import DIST

    assert Path(ui.__file__).parent / "dist" == DIST
