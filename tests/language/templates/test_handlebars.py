import json
from pathlib import Path

import pytest

from stepiq.language.templates import Template

RECORDED = json.loads(Path(__file__).with_name("handlebars.json").read_text(encoding="utf-8"))


class TestHandlebars:
    @pytest.mark.parametrize(("text", "expected"), RECORDED["cases"])
    def test_a_template_renders_as_handlebars_renders_it(self, text, expected):
        assert Template.compile(text).render(RECORDED["context"]) == expected
