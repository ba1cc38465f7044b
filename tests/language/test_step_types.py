from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import pytest
import structlog

from stepiq import steps
from stepiq.language.definitions import step_types as types
from stepiq.language.definitions.json_schema import document
from stepiq.language.definitions.loading import load_document
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import (
    GROUP,
    InstallationIncomplete,
    StepType,
    StepTypeConflict,
    added_packages,
    output_issues,
    packages,
    step_types,
    unusable_types,
)
from stepiq.language.fields.reader import FieldReader
from stepiq.server.docs.contents import steps_page
from tests.support.plugins import installed, write_package

SPEC = """
from dataclasses import dataclass

from stepiq.language.fields.description import integer
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType


@dataclass(frozen=True)
class SingSpec(StepSpec):
    volume: int | None = integer("Volume", "How loud.", 0, 9).optional()


STEP_TYPE = StepType(SingSpec, "Sings.")
"""


def messages(step_type: str, **fields: object) -> list[str]:
    step = {"id": "a", "type": step_type, **fields}
    return [issue.message for issue in load_document({"name": "x", "steps": [step]}).errors]


class TestPackages:
    def test_each_built_in_type_is_registered_under_the_name_of_its_package(self):
        folders = {path.parent.name for path in Path(steps.__path__[0]).glob("*/spec.py")}

        assert {name: f"stepiq.steps.{name}" for name in folders} == {
            name: package.module for name, package in packages().items()
        }

    def test_a_missing_type_is_named_with_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        others = [entry for entry in entry_points(group=GROUP) if entry.name != "wait"]
        monkeypatch.setattr(types, "entry_points", lambda **_: others)

        with (
            installed(tmp_path),
            pytest.raises(InstallationIncomplete, match=r"steps of type wait\. Install it again"),
        ):
            messages("llm", prompt="x")

    def test_two_packages_with_a_type_of_the_same_name_are_both_named(self, tmp_path: Path):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC)
        write_package(tmp_path, "stepiq-song", "sing", spec=SPEC)

        with installed(tmp_path), pytest.raises(StepTypeConflict) as caught:
            step_types()

        assert caught.value.message == (
            "Two packages have a step type `sing`: stepiq-sing (module stepiq_sing) and stepiq-song (module stepiq_song). "
            "Uninstall one of them."
        )

    def test_so_is_a_package_with_the_name_of_a_built_in_type(self, tmp_path: Path):
        write_package(tmp_path, "stepiq-better-llm", "llm", spec=SPEC)

        with (
            installed(tmp_path),
            pytest.raises(StepTypeConflict, match=r"stepiq-better-llm .*and stepiq-slim "),
        ):
            step_types()


class TestInstalled:
    def test_a_type_of_another_package_is_validated_and_suggested(self, tmp_path: Path):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC)

        with installed(tmp_path):
            assert messages("sing", volume=3) == []
            assert messages("sing", volum=3) == ["Unknown field `volum`. Did you mean `volume`?"]
            assert messages("singe") == ["`type` cannot be `singe`. Did you mean `sing`?"]

        assert messages("sing")[0].startswith("`type` cannot be `sing`.")

    def test_its_package_and_version_are_known(self, tmp_path: Path):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC)

        with installed(tmp_path):
            assert added_packages(["llm", "sing", "sing"]) == {"sing": "stepiq-sing 1.0"}

    def test_editors_know_it_and_its_fields(self, tmp_path: Path):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC)

        with installed(tmp_path):
            made, page = document()["$defs"], steps_page()

        assert "sing" in made["step"]["properties"]["type"]["enum"]
        assert made["sing_step"]["properties"]["volume"]["description"] == "How loud."
        assert made["sing_step"]["description"] == "Sings."
        assert "<code>volume</code>" in page

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
            ("x = 1", "AttributeError: module 'stepiq_sing.spec' has no attribute 'STEP_TYPE'"),
            ("STEP_TYPE = 1", "TypeError: STEP_TYPE is not a StepType."),
            (SPEC.replace('"Sings."', '"Sings.", {"volume": {1}}'), "TypeError: Object of type set is not JSON serializable"),
        ],
    )  # fmt: skip
    def test_one_that_cannot_be_imported_is_refused_where_it_is_used(
        self, tmp_path: Path, source: str, reason: str
    ):
        write_package(tmp_path, "stepiq-sing", "sing", spec=source)

        with installed(tmp_path):
            assert messages("llm", prompt="x") == []
            assert messages("sing") == [
                "The step type `sing` cannot be used, because its package stepiq-sing cannot be imported. "
                "`stepiq doctor` on the server shows the reason."
            ]
            assert unusable_types() == {"sing": reason}

    def test_one_of_stepiq_itself_that_cannot_be_imported_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(name: str) -> None:
            raise ImportError(name)

        monkeypatch.setattr(types, "import_module", broken)

        with installed(tmp_path), pytest.raises(ImportError):
            step_types()


class TestExceptions:
    """A package raises exceptions after it was imported."""

    @pytest.mark.parametrize(
        "body",
        [
            "def check(cls, fields): fields['x']",
            "def read(cls, fields): return 'text'",
            "makes_json = property(lambda self: {}['x'])",
        ],
    )
    def test_one_while_a_step_is_read_is_a_problem_of_the_step(self, tmp_path: Path, body: str):
        spec = f"""
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType


class Broken(StepSpec):
    {"@classmethod" if body.startswith("def") else ""}
    {body}


STEP_TYPE = StepType(Broken, "Breaks.")
"""
        write_package(tmp_path, "stepiq-sing", "sing", spec=spec)
        steps = [{"id": "a", "type": "sing"}, {"id": "b", "prompt": 3}]

        with installed(tmp_path), structlog.testing.capture_logs() as logs:
            errors = load_document({"name": "x", "steps": steps}).errors

        assert [(issue.path, issue.code) for issue in errors] == [
            ("steps[0]", "step_type_failed"),
            ("steps[1].prompt", "wrong_type"),
        ]
        assert errors[0].message == (
            "The step type `sing` cannot read this step, because its package stepiq-sing 1.0 has an error. "
            "The log of the server shows it. Report it to the authors of the package."
        )
        (line,) = logs
        assert (line["event"], line["package"]) == ("step_type_failed", "stepiq-sing 1.0")

    def test_one_of_stepiq_itself_is_a_bug(self, monkeypatch: pytest.MonkeyPatch):
        class Broken(StepSpec):
            @classmethod
            def read(cls, reader: FieldReader) -> None:
                raise ZeroDivisionError

        monkeypatch.setitem(
            cast("dict[str, StepType]", step_types()),
            "wait",
            StepType(Broken, "Breaks."),
        )

        with pytest.raises(ZeroDivisionError):
            messages("wait")

    def test_one_while_an_output_is_checked_allows_any_output(self, tmp_path: Path):
        spec = SPEC.replace('"Sings."', "'', output=lambda step: {}['x']")
        write_package(tmp_path, "stepiq-sing", "sing", spec=spec)

        with installed(tmp_path):
            loaded = load_document({"name": "x", "steps": [{"id": "a", "type": "sing"}]})
            assert loaded.definition is not None
            (step,) = loaded.definition.steps

            assert output_issues(step, {"any": 1}) == ()
