"""What the guides show can be used as it stands."""

import json
import tomllib
from pathlib import Path

import pytest

from stepiq.core.settings.model import load as load_settings
from stepiq.execution.limits.plans import Plans
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from tests.docs.pages import PAGES, blocks, name


def _shown(language: str) -> list[object]:
    return [
        pytest.param(block, id=f"{name(page)}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), language), start=1)
        # A part of `pyproject.toml`, which `tests/steps/test_plugin.py` compares with the package.
        if not block.startswith("[project.")
    ]


def _is_whole(definition: str) -> bool:
    lines = definition.splitlines()
    return any(line.startswith("name:") for line in lines) and "steps:" in lines


class TestYaml:
    @pytest.mark.parametrize("block", _shown("yaml"))
    def test_whole_definitions_are_valid(self, block):
        if _is_whole(block):
            assert load(block, SourceFormat.YAML).errors == ()


class TestToml:
    @pytest.mark.parametrize("block", _shown("toml"))
    def test_config_files_are_accepted(self, block, tmp_path: Path):
        file = tmp_path / "stepiq.toml"
        file.write_text(block)

        found = load_settings(config_file=file)
        Plans.load(found.plans)

        assert tomllib.loads(block).keys() <= {"endpoints", "plans", "oidc"}


class TestJson:
    @pytest.mark.parametrize("block", _shown("json"))
    def test_it_is_json(self, block):
        json.loads(block)
