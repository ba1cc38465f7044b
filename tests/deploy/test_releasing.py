"""What `make release` checks before it builds, and the list of npm packages."""

import pytest

from scripts import build_release
from tests.docs.pages import read


class TestProblems:
    def test_this_source_tree_has_none(self):
        version = build_release.version()

        assert build_release.problems(version, read("CHANGELOG.md"), [f"v{version}"]) == []

    @pytest.mark.parametrize(
        ("changelog", "tags", "problem"),
        [
            ("## [1.0.0] - 2026-11-27\n", ["v1.0.1"], "tag v1.0.1"),
            ("## [1.0.0]\n", [], "CHANGELOG.md"),
            ("## [Unreleased]\n", [], "CHANGELOG.md"),
            ("## [Unreleased]\n\n## [0.9.0] - 2026-11-27\n\n## [1.0.0] - 2026-01-01\n", [], "CHANGELOG.md"),
        ],
    )  # fmt: skip
    def test_other_trees_have_some(self, changelog: str, tags: list[str], problem: str):
        (found,) = build_release.problems("1.0.0", changelog, tags)

        assert problem in found
