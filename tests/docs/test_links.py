import re

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, name, prose

MAX_IMAGE_BYTES = 150_000
_LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name)
class TestLinks:
    def test_they_lead_somewhere(self, page):
        for found in _LINK.findall(prose(page.read_text())):
            target = found[0] or found[1]
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page

            assert linked.exists(), f"{target}: there is no such file"
            assert linked.is_relative_to(ROOT)
            if anchor:
                assert anchor in anchors(linked.read_text()), f"{target}: there is no such heading"

    def test_nothing_is_left_to_be_written(self, page):
        assert not re.search(r"\b(TODO|FIXME|XXX|TBD)\b", page.read_text())


class TestIndex:
    def test_it_lists_every_guide(self):
        index = (ROOT / "docs" / "README.md").read_text()

        for page in ROOT.glob("docs/*.md"):
            assert page.name == "README.md" or f"({page.name})" in index

    def test_every_page_has_a_title(self):
        pages = {name(page): prose(page.read_text()) for page in PAGES}

        assert [
            page for page, text in pages.items() if not re.search("^# ", text, re.MULTILINE)
        ] == []

    def test_every_decision_is_listed(self):
        index = (ROOT / "docs" / "decisions" / "README.md").read_text()

        for page in ROOT.glob("docs/decisions/0*.md"):
            assert f"({page.name})" in index


class TestImages:
    def test_each_is_used_and_small(self):
        shown = {
            (page.parent / found[0].partition("#")[0]).resolve()
            for page in PAGES
            for found in _LINK.findall(prose(page.read_text()))
        }

        for image in (ROOT / "docs" / "images").iterdir():
            assert image in shown, f"No page shows {image.name}."
            assert image.stat().st_size <= MAX_IMAGE_BYTES, image.name
