"""The documentation for programs: Markdown of each page, `/llms.txt`, `/llms-full.txt`."""

import re
import shutil
import tomllib

import pytest
from markdown_it import MarkdownIt

import stepiq
from stepiq.server.docs import guides as module
from stepiq.server.docs.guides import anchors_of, find, guides, section_of
from stepiq.server.ui import pages as ui
from stepiq.server.ui.pages import Bundle
from tests.docs.pages import PAGES, ROOT, read
from tests.server.docs.test_pages import BROWSER, Reader

pytestmark = pytest.mark.one_store

AGENT = {"Accept": "text/markdown, text/html, */*"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(text: str) -> list[str]:
    """Where the links of a Markdown text lead, as a renderer reads them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [
        str(inner.attrs["href"])
        for token in tokens
        for inner in token.children or ()
        if inner.type == "link_open"
    ]


class TestGuides:
    def test_they_are_all_pages_of_the_folder_and_those_that_its_index_lists(self):
        ours = {guide.source for guide in guides().values()}

        folder = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
        assert ours == folder | {
            "SECURITY.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "skills/stepiq/SKILL.md",
        }
        assert all((ROOT / source) in PAGES or source.startswith("skills/") for source in ours)

    def test_the_package_contains_them(self):
        config = tomllib.loads(read("pyproject.toml"))
        included = config["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

        for guide in guides().values():
            folder, _, rest = guide.source.partition("/")
            if rest:
                assert included[folder] == f"stepiq/{folder}"
            else:
                assert included[guide.source] == f"stepiq/docs/{guide.source}"

    def test_they_are_read_from_the_package(self, tmp_path, monkeypatch):
        package = tmp_path / "stepiq"
        shutil.copytree(ROOT / "docs", package / "docs")
        shutil.copytree(ROOT / "skills", package / "skills")
        for guide in guides().values():
            if "/" not in guide.source:
                shutil.copy(ROOT / guide.source, package / "docs")
        monkeypatch.setattr(stepiq, "__file__", str(package / "__init__.py"))

        found = module.guides.__wrapped__()

        assert list(found) == list(guides())
        assert all(guide.path.is_relative_to(package) for guide in found.values())
        assert [guide.source for guide in found.values()] == [
            guide.source for guide in guides().values()
        ]

    @pytest.mark.parametrize(
        ("topic", "name"),
        [
            ("language", "language"),
            ("Language.md", "language"),
            ("steps", "steps"),
            ("steps/README.md", "steps"),
            ("llm", "steps/llm"),
            ("settings", "reference/settings"),
            ("security", "SECURITY"),
            ("readme", "README"),
            ("nonsense", None),
            ("", None),
            ("../pyproject.toml", None),
        ],
    )
    def test_a_topic_is_found_by_its_name_or_its_last_part(self, topic, name):
        found = find(topic)

        assert (found and found.name) == name

    def test_a_section_ends_at_the_next_heading_of_its_level(self):
        text = "# T\n\n## A\n\na\n\n```sh\n# no heading\n```\n\n### `B`\n\nb\n\n## A\n\nc\n"

        assert section_of(text, "a") == "## A\n\na\n\n```sh\n# no heading\n```\n\n### `B`\n\nb\n"
        assert section_of(text, "b") == "### `B`\n\nb\n"
        assert section_of(text, "a-1") == "## A\n\nc\n"
        assert section_of(text, "no-heading") is None
        assert anchors_of(text) == ["t", "a", "b", "a-1"]


class TestMarkdown:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", sorted(guides()))
    async def test_each_page_is_served_and_its_links_lead_to_pages(self, client, name):
        response = await client.get(f"/docs/{name}.md")

        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert response.text.startswith("# ")
        for link in links(response.text):
            path, _, anchor = link.partition("#")
            if not path.startswith("/docs/"):
                assert re.match(r"https?://", link), link
                continue
            assert path.endswith(".md"), link
            if anchor:
                linked = (await client.get(path)).text
                assert anchor in anchors_of(linked), link

    async def test_it_is_the_page_of_the_repository(self, client):
        served = (await client.get("/docs/steps/llm.md")).text

        assert _LINK.sub("](x)", served) == _LINK.sub("](x)", read("docs/steps/llm.md"))
        assert "](/docs/models.md)" in served

    async def test_pictures_and_files_of_the_repository_become_text(self, client):
        served = (await client.get("/docs/ARCHITECTURE.md")).text

        assert "*How a run flows*" in served
        assert "[`language/templates`](" in read("ARCHITECTURE.md")
        assert "(`language/templates`)" in " ".join(served.split())

    async def test_a_client_that_has_it_gets_no_copy(self, client):
        first = await client.get("/docs/language.md")

        again = await client.get(
            "/docs/language.md", headers={"If-None-Match": first.headers["ETag"]}
        )

        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize(
        ("path", "guide"),
        [
            ("/docs", "api"),
            ("/docs/errors", "errors"),
            ("/docs/steps", "steps"),
            ("/docs/language", "language"),
        ],
    )
    async def test_a_client_that_prefers_it_gets_it_at_the_path_of_the_page(
        self, client, path, guide
    ):
        response = await client.get(path, headers=AGENT)

        assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert "Accept" in response.headers["Vary"]
        assert response.text == (await client.get(f"/docs/{guide}.md")).text

    async def test_the_page_of_the_api_has_it_beside_it(self, client):
        assert (await client.get("/docs.md")).text == (await client.get("/docs/api.md")).text

    @pytest.mark.parametrize(
        "path", ["/docs/nonsense", "/docs/nonsense.md", "/docs/images/run.svg"]
    )
    async def test_what_is_no_page_is_not_found(self, client, path):
        response = await client.get(path)

        assert response.status_code == 404
        assert response.json()["code"] == "unknown_path"
        assert "/llms.txt" in response.json()["detail"]

    async def test_a_browser_then_gets_the_page_of_the_app(self, app, client):
        ui.BUNDLE.set(app, Bundle("<html>page-of-the-app</html>", {}, {}))

        response = await client.get("/docs/nonsense", headers=BROWSER)

        assert (response.status_code, response.text) == (404, "<html>page-of-the-app</html>")


class TestHtml:
    # The pages of errors and steps are generated from the code.
    @pytest.mark.slow
    @pytest.mark.parametrize("name", sorted(set(guides()) - {"errors", "steps"}))
    async def test_each_page_is_html_that_loads_nothing(self, client, name):
        response = await client.get(f"/docs/{name}", headers=BROWSER)

        reader = Reader(response.text)
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert not reader.tags & {"img", "link", "iframe"}
        assert response.text.count("<script") == 1
        assert len(set(reader.ids)) == len(reader.ids)

    @pytest.mark.slow
    async def test_each_link_leads_to_a_place_of_its_page(self, client):
        pages = {}

        async def read_page(path):
            if path not in pages:
                response = await client.get(path, headers=BROWSER)
                assert response.status_code == 200, path
                pages[path] = Reader(response.text)
            return pages[path]

        places = [
            (name, *link.partition("#")[::2])
            for name in guides()
            for link in (await read_page(f"/docs/{name}")).links
            if link.startswith("/docs/") and "#" in link
        ]
        missing = [place for place in places if place[2] not in (await read_page(place[1])).ids]

        assert len(pages) >= len(guides())
        assert missing == []

    async def test_links_lead_to_html(self, client):
        reader = Reader((await client.get("/docs/testing", headers=BROWSER)).text)

        assert "/docs/language#expressions" in reader.links


class TestIndex:
    async def test_it_has_the_form_of_llmstxt_org(self, client):
        response = await client.get("/llms.txt")

        lines = response.text.splitlines()
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert lines[0] == "# stepIQ"
        assert lines[2].startswith("> ")
        assert [line for line in lines if line.startswith("## ")] == [
            "## Machine-readable",
            *(f"## {each}" for each in re.findall("^## (.+)$", read("docs/README.md"), re.MULTILINE)[:-1]),
            "## Optional",
        ]  # fmt: skip
        entries = [line for line in lines if line.startswith("- ")]
        assert all(re.fullmatch(r"- \[[^\]]+\]\(http[^)\s]+\)(: .+)?", line) for line in entries)

    @pytest.mark.slow
    async def test_it_lists_every_page_and_each_link_answers(self, client):
        listed = links((await client.get("/llms.txt")).text)

        paths = [re.sub("^https?://[^/]+", "", link) for link in listed]
        assert {f"/docs/{name}.md" for name in guides()} - set(paths) == {"/docs/README.md"}
        for path in paths:
            assert (await client.get(path)).status_code == 200, path

    async def test_one_file_has_all_pages_but_the_optional_ones(self, client):
        response = await client.get("/llms-full.txt")

        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        for name in ("language", "steps/llm", "reference/settings", "errors", "SECURITY"):
            assert (await client.get(f"/docs/{name}.md")).text in response.text
        assert "A ticket queue and a journal of our own" not in response.text
