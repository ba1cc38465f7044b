import pytest

from stepiq.steps.answers import parse_json


@pytest.mark.parametrize("text", ["1", "```\n1\n```", "```json\n1\n```", "```json\r\n1\r\n```"])
def test_a_fence_around_the_value_is_removed(text: str):
    assert parse_json(text) == (1, None)


@pytest.mark.parametrize("text", ["```json\n1", "``` json x\n1\n```", "1\n```"])
def test_what_is_not_one_fenced_value_is_not_json(text: str):
    value, problem = parse_json(text)

    assert value is None
    assert problem
