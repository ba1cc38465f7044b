"""Editors go on offering what they offered."""

import pytest

from tests.language.json_schema.completions import PAGE, page


class TestCompletions:
    @pytest.mark.slow
    def test_editors_offer_what_the_page_shows(self):
        assert page() == PAGE.read_text(encoding="utf-8")
