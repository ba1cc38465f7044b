import json

import pytest

from stepiq.client.requests import OMITTED, definition_body

YAML = "name: T # a comment\n"


class TestDefinitionBody:
    @pytest.mark.parametrize("text", [YAML, YAML.encode()])
    def test_a_text_alone_is_sent_as_it_is(self, text):
        assert definition_body(text, slug=OMITTED) == (YAML.encode(), "application/yaml")

    @pytest.mark.parametrize("text", [YAML, YAML.encode()])
    def test_a_text_with_fields_is_sent_with_them(self, text):
        body, content_type = definition_body(text, slug="t", tags=OMITTED)

        assert json.loads(body) == {"text": YAML, "slug": "t"}
        assert content_type == "application/json"
