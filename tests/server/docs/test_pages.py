import re
from html.parser import HTMLParser

import pytest

from stepiq.execution.outcomes import FailureCode
from stepiq.language.definitions.step_types import step_types
from stepiq.server.docs.errors import advice_by_section
from stepiq.server.docs.html import inline, paragraphs, yaml
from stepiq.server.docs.samples import sample
from stepiq.server.ui import pages as ui
from stepiq.server.ui.pages import Bundle
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.one_store

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
_VOID = {"meta", "wbr", "link", "br", "input", "hr", "img"}


class Reader(HTMLParser):
    """Collects anchors and links, and whether tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        values = dict(attrs)
        assert "style" not in values
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values["href"])] if "href" in values else []
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


@pytest.fixture(params=["/docs", "/docs/errors", "/docs/steps"])
def path(request):
    return request.param


@pytest.fixture
async def page(client, path):
    return await client.get(path)


@pytest.fixture
async def read(client):
    async def fetch(path: str) -> Reader:
        return Reader((await client.get(path)).text)

    return fetch


class TestPages:
    async def test_anybody_may_read_them(self, page):
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"

    async def test_they_load_nothing(self, page):
        reader = Reader(page.text)

        assert not reader.tags & {"img", "link", "iframe"}
        assert not [link for link in reader.links if link != "/" and not link.startswith(("#", "/docs", "/openapi.json"))]  # fmt: skip
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")  # fmt: skip

    async def test_they_look_like_the_app_and_lead_to_it(self, page):
        assert "/" in Reader(page.text).links
        assert '"Inter Variable"' in page.text
        assert "font-src 'self'" in page.headers["Content-Security-Policy"]

    async def test_every_anchor_is_there_once(self, page):
        reader = Reader(page.text)

        assert len(set(reader.ids)) == len(reader.ids)
        assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)


@pytest.fixture
def bundle(app):
    """A build of page-of-the-app."""
    built = Bundle("<html>page-of-the-app</html>", {}, {})
    ui.BUNDLE.set(app, built)
    return built


@pytest.fixture
async def sign_in(client, account):
    """Signs a browser in: `client` then has the cookie. Returns the CSRF token."""
    login = {"email": account.email, "password": PASSWORD}
    return (await client.post("/api/session", json=login)).json()["csrf_token"]


class TestSearch:
    async def test_it_finds_parts_of_pages(self, client, read):
        found = await client.get("/docs/search?q=idempotency-key+REPEAT")
        links = (await read("/docs/search?q=idempotency-key+REPEAT")).links
        nothing = await client.get("/docs/search?q=<qxz>")

        assert found.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert any(link.startswith("/docs/api#") for link in links)
        assert "No page contains “&lt;qxz&gt;”" in nothing.text

    async def test_what_has_the_words_in_its_heading_comes_first(self, client):
        found = (await client.get("/docs/search?q=paused+pipelines")).text

        assert "paused-pipelines" in found.split("<article>")[1]


class TestWhoGetsTheApp:
    @pytest.mark.usefixtures("bundle", "sign_in")
    async def test_a_browser_with_a_session(self, client, path):
        response = await client.get(path, headers=BROWSER)

        assert response.text == "<html>page-of-the-app</html>"
        assert "nonce-" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"

    @pytest.mark.usefixtures("bundle")
    async def test_not_a_browser_without_a_session(self, client, path):
        assert "page-of-the-app" not in (await client.get(path, headers=BROWSER)).text

    @pytest.mark.usefixtures("bundle", "sign_in")
    async def test_not_the_app_itself_and_who_asks_for_the_content(self, client, path):
        assert "page-of-the-app" not in (await client.get(path)).text
        assert "page-of-the-app" not in (await client.get(f"{path}?plain", headers=BROWSER)).text

    @pytest.mark.usefixtures("bundle")
    async def test_not_a_session_that_has_ended(self, client, path, sign_in):
        cookies = dict(client.cookies)
        await client.delete("/api/session", headers={"X-CSRF-Token": sign_in})

        for value in (*cookies.values(), "forged"):
            client.cookies.update(dict.fromkeys(cookies, value))
            assert "page-of-the-app" not in (await client.get(path, headers=BROWSER)).text

    @pytest.mark.usefixtures("sign_in")
    async def test_nobody_without_a_build(self, app, client, path):
        ui.BUNDLE.set(app, None)

        assert (await client.get(path, headers=BROWSER)).status_code == 200


async def test_a_client_that_has_the_page_gets_no_copy(client, path):
    first = await client.get(path)

    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["Vary"] == "Accept, Accept-Encoding, Cookie"
    assert first.headers["Content-Encoding"] == "gzip"


class TestApi:
    async def test_every_operation_has_its_place(self, client, read):
        document = (await client.get("/openapi.json")).json()
        text = (await client.get("/docs")).text

        operations = sum(len(methods) for methods in document["paths"].values())
        assert text.count("<article id=") == operations + len(document["components"]["schemas"])
        assert text.count("<pre>curl") == operations + 1

    async def test_every_error_leads_to_its_explanation(self, read):
        links = (await read("/docs")).links
        codes = {link.partition("#")[2] for link in links if link.startswith("/docs/errors#")}

        assert len(codes) > 20
        assert codes <= set((await read("/docs/errors")).ids)

    async def test_it_names_this_server(self, client, services):
        assert f"curl {services.settings.base_url}/api/" in (await client.get("/docs")).text


class TestSteps:
    async def test_every_type_is_shown_with_its_fields(self, client, read):
        text = (await client.get("/docs/steps")).text

        assert set((await read("/docs/steps")).ids) >= step_types().keys()
        for step_type in step_types().values():
            assert all(f"<code>{field}</code>" in text for field in step_type.fields)


class TestErrors:
    async def test_every_code_is_an_anchor(self, read):
        advice = advice_by_section()

        ids = (await read("/docs/errors")).ids
        assert set(ids) >= {*advice["api"], *advice["failures"], *advice["operator"], *FailureCode}

    async def test_the_type_of_a_problem_leads_there(self, client, read):
        problem = (await client.get("/api/runs")).json()
        path, _, code = problem["type"].partition("#")

        assert code in (await read(path)).ids


class TestInline:
    def test_it_escapes_and_marks_code(self):
        assert inline("`<a>` & [b](c.md)") == "<code>&lt;a&gt;</code> &amp; b"

    def test_lists_and_paragraphs_are_told_apart(self):
        assert paragraphs("a\nb\n\n- c\n- d") == "<p>a b</p><ul><li>c</li><li>d</li></ul>"


class TestSample:
    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"type": "string"}, "text"),
            ({"type": "string", "format": "email"}, "you@example.com"),
            ({"enum": ["a", "b"]}, "a"),
            ({"type": "integer", "default": 5}, 5),
            ({"type": "number"}, 1.5),
            ({"type": "boolean"}, True),
            ({"type": "array", "items": {"const": 1}}, [1]),
            ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
            ({"type": ["integer", "null"]}, 1),
            ({"$ref": "#/x/Named"}, {"a": "text"}),
            ({}, None),
        ],
    )
    def test_it_fits(self, schema, value):
        shapes = {"Named": {"type": "object", "properties": {"a": {"type": "string"}}}}

        assert sample(schema, shapes) == value

    def test_a_shape_within_itself_ends(self):
        shapes = {"Tree": {"type": "object", "properties": {"trees": {"type": "array", "items": {"$ref": "#/x/Tree"}}}}}  # fmt: skip

        assert re.search("trees", str(sample({"$ref": "#/x/Tree"}, shapes)))


def test_yaml_has_the_colours_of_the_editor():
    assert yaml("# a\nsteps:\n  - id: <b>\n") == (
        '<span class="comment"># a</span>\n<span class="key">steps</span>:\n'
        '  - <span class="key">id</span>: &lt;b&gt;'
    )
