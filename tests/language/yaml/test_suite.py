"""The official YAML test suite: each text gives the data of YAML 1.2, or is refused."""

import re
from typing import Any

import pytest

from stepiq.language.documents.source import SourceFormat, read
from tests.language.yaml.suite import Case, Plain, cases

REFUSED = {
    "2LFX-0", "6LVF-0", "BEC7-0",  # directives other than `%YAML 1.2`
    "6CA3-0", "DK95-0", "Q5MG-0",  # lines that start with a tab, where YAML allows it
}  # fmt: skip
"""Well-formed texts that could be read as data, and are refused all the same."""


@pytest.fixture(scope="module")
def suite() -> list[Case]:
    return cases()


def resolved(data: Any) -> Any:
    """Data with the types of the core schema, written as its specification does."""
    if isinstance(data, list):
        return [resolved(item) for item in data]
    if isinstance(data, dict):
        return {key: resolved(item) for key, item in data.items()}
    if isinstance(data, str):
        return data
    assert isinstance(data, Plain)
    text = data.text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.title(), text.upper()):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


class TestOfficialSuite:
    def test_it_is_whole(self, suite):
        assert len(suite) > 390
        assert sum(case.is_error for case in suite) > 90

    def test_what_is_not_yaml_is_refused_with_line_and_column(self, suite):
        for case in suite:
            if case.is_error:
                issues = read(case.text, SourceFormat.YAML).issues
                assert issues, case
                assert all(issue.line and issue.column for issue in issues), case

    def test_what_definitions_cannot_use_is_refused(self, suite):
        for case in suite:
            if case.unsupported:
                assert read(case.text, SourceFormat.YAML).issues, case

    def test_all_other_texts_give_the_data_of_yaml_1_2(self, suite):
        for case in suite:
            if not case.is_error and not case.unsupported and case.id not in REFUSED:
                source = read(case.text, SourceFormat.YAML)
                assert not source.issues, case
                assert repr(source.data) == repr(resolved(case.data)), case

    def test_the_exceptions_are_refused(self, suite):
        known = {case.id: case for case in suite}
        for name in REFUSED:
            assert read(known[name].text, SourceFormat.YAML).issues, name
