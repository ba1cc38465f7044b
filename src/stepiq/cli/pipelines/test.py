"""Runs the tests of pipeline files and reports the results."""

import asyncio
import logging as levels
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

from stepiq.cli.output.console import (
    UsageError,
    issue_data,
    issue_line,
    print_json,
    print_text,
    read_text,
)
from stepiq.cli.pipelines.files import SUFFIXES, tested_in
from stepiq.cli.pipelines.validate import read_draft, show_findings
from stepiq.cli.pipelines.workbench import Workbench, workbench
from stepiq.core.amounts import duration
from stepiq.core.errors import Issue
from stepiq.core.observability import log_output
from stepiq.core.settings import model as settings
from stepiq.execution.stubs import Stubs
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.definitions.checking import Findings, check
from stepiq.pipelines.records import Draft
from stepiq.providers.registry import Providers
from stepiq.trials.comparing import problems
from stepiq.trials.reading import PipelineCase, read_cases

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain."""


@dataclass(frozen=True, slots=True)
class JunitCase:
    """The result of a test."""

    file: Path
    name: str
    problems: Sequence[str]
    seconds: float


def write(file: Path, cases: Sequence[JunitCase], errors: Mapping[str, Sequence[str]]) -> None:
    """Write a report with a suite for each file.

    Args:
        file: the file to write. An existing one is overwritten.
        cases: the tests that ran.
        errors: the errors of files whose tests could not run, by file.
    """
    root = ElementTree.Element("testsuites", name="stepiq test")
    by_file: dict[str, list[JunitCase]] = {}
    for case in cases:
        by_file.setdefault(str(case.file), []).append(case)
    for name, found in by_file.items():
        _add_suite(root, name, found)
    for name, lines in errors.items():
        _add_error(root, name, lines)
    for kind in ("tests", "failures", "errors"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    root.set("time", _time(sum(case.seconds for case in cases)))
    ElementTree.indent(root)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None


def _add_suite(root: ElementTree.Element, name: str, cases: Sequence[JunitCase]) -> None:
    failed = sum(bool(case.problems) for case in cases)
    suite = _suite(root, name, tests=len(cases), failures=failed, errors=0)
    suite.set("time", _time(sum(case.seconds for case in cases)))
    for case in cases:
        entry = _case(suite, name, case.name, case.seconds)
        if case.problems:
            _explain(entry, "failure", case.problems)


def _add_error(root: ElementTree.Element, name: str, lines: Sequence[str]) -> None:
    suite = _suite(root, name, tests=1, failures=0, errors=1)
    suite.set("time", _time(0))
    _explain(_case(suite, name, "valid", 0), "error", lines)


def _suite(root: ElementTree.Element, name: str, **counts: int) -> ElementTree.Element:
    numbers = {key: str(count) for key, count in counts.items()}
    attributes = {"name": _text(name), **numbers, "skipped": "0"}
    return ElementTree.SubElement(root, "testsuite", attributes)


def _case(suite: ElementTree.Element, file: str, name: str, seconds: float) -> ElementTree.Element:
    # CI systems group tests by `classname`, and link `file`.
    return ElementTree.SubElement(
        suite, "testcase", classname=_text(file), name=_text(name), file=_text(file), time=_time(seconds)
    )  # fmt: skip


def _explain(case: ElementTree.Element, kind: str, lines: Sequence[str]) -> None:
    entry = ElementTree.SubElement(case, kind, message=_text(lines[0] if lines else ""))
    entry.text = _text("\n".join(lines))


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


@dataclass(frozen=True, slots=True)
class _Suite:
    file: Path
    draft: Draft
    secrets: Mapping[str, str]
    cases: Sequence[PipelineCase]


@dataclass(frozen=True, slots=True)
class _Result:
    file: Path
    name: str
    problems: Sequence[str]
    milliseconds: float


def run_tests(
    files: Sequence[Path], *, only: str | None, as_json: bool, report: Path | None = None
) -> bool:
    """Run the tests of these pipelines. Returns whether all pass.

    Args:
        files: pipeline files, test files, or folders with test files.
        only: run only tests with this text in their name.
        as_json: print JSON instead of text.
        report: file to write JUnit XML to, also if a file is invalid.
    """
    configured = settings.load()
    providers = Providers(configured, is_server=False)
    suites: list[_Suite] = []
    wrong: dict[str, Sequence[Issue]] = {}
    for pipeline, tests in dict.fromkeys(map(_pair, tested_in(files))):
        draft = read_draft(pipeline)
        errors = check(draft, providers).errors
        definition = draft.loaded.definition
        if errors or definition is None:
            wrong[str(pipeline)] = errors
            continue
        cases, issues = _read(tests, definition)
        if issues:
            wrong[str(tests)] = issues
        chosen = [case for case in cases if only is None or only in case.test.name]
        # Fake values for all secrets that templates read, long enough to be masked like real ones.
        secrets = {name: f"test-secret-{name}" for name in definition.secret_names}
        suites.append(_Suite(tests, draft, secrets, chosen))
    if wrong:
        _show_wrong(wrong, as_json=as_json)
        if report is not None:
            lines = {file: [issue_line(each) for each in issues] for file, issues in wrong.items()}
            write(report, (), lines)
        return False
    if not any(suite.cases for suite in suites):
        raise UsageError(f"No test has the text `{only}` in its name.")
    log_output.configure(configured.log_format, level=levels.CRITICAL)
    results = asyncio.run(_run(suites, quiet=as_json))
    failed = sum(bool(result.problems) for result in results)
    if report is not None:
        write(report, [_junit_case(result) for result in results], {})
    if as_json:
        print_json({"passed": len(results) - failed, "failed": failed, "tests": _data(results)})
    else:
        total = f"{len(results)} {'test' if len(results) == 1 else 'tests'}"
        print_text(f"{total}, {failed} failed" if failed else f"{total}, all passed")
    return not failed


def _pair(file: Path) -> tuple[Path, Path]:
    """The pipeline file and its test file. `file` can name either, such as `a.yaml` or `a.test.yaml`."""
    stem, suffix = file.stem, file.suffix
    if stem.endswith(".test"):
        tests, pipeline = file, _beside(file, stem.removesuffix(".test"), suffix)
        if pipeline is None:
            raise UsageError(
                f"{file} has no pipeline: {stem.removesuffix('.test')}{suffix or '.yaml'} is missing."
            )
        return pipeline, tests
    if not file.is_file():
        raise UsageError(f"File {file} does not exist. Give the YAML or JSON files of pipelines.")
    found = _beside(file, f"{stem}.test", suffix)
    if found is None:
        wanted = file.with_name(f"{stem}.test.yaml")
        raise UsageError(
            f"{file} has no tests: {wanted} is missing. `stepiq docs testing` describes its content."
        )
    return file, found


def _beside(file: Path, stem: str, suffix: str) -> Path | None:
    names = [stem + each for each in dict.fromkeys((suffix, *SUFFIXES)) if each]
    return next((path for name in names if (path := file.with_name(name)).is_file()), None)


def _read(file: Path, definition: Definition) -> tuple[list[PipelineCase], tuple[Issue, ...]]:
    is_json = file.suffix.lower() == ".json"
    text = read_text(file, "file of tests")
    return read_cases(text, SourceFormat.JSON if is_json else SourceFormat.YAML, definition)


def _show_wrong(wrong: Mapping[str, Sequence[Issue]], *, as_json: bool) -> None:
    if as_json:
        print_json({"errors": {file: issue_data(issues) for file, issues in wrong.items()}})
        return
    for file, issues in wrong.items():
        show_findings(Path(file), Findings(list(issues), []))


async def _run(suites: Sequence[_Suite], *, quiet: bool) -> list[_Result]:
    results: list[_Result] = []
    stubs = Stubs()
    async with workbench(stubs) as bench:
        for suite in suites:
            pipeline_id = await bench.save(suite.draft, suite.secrets)
            if not quiet:
                print_text(str(suite.file))
            for case in suite.cases:
                result = await _try(bench, stubs, suite.file, pipeline_id, case)
                results.append(result)
                if not quiet:
                    _show(result)
    return results


async def _try(
    bench: Workbench, stubs: Stubs, file: Path, pipeline_id: UUID, case: PipelineCase
) -> _Result:
    stubs.give(case.given)
    begun = time.perf_counter()
    run: dict[str, Any]
    try:
        ended = await bench.run(pipeline_id, dict(case.test.input), _ignore)
        run = ended.model_dump(mode="json")
    except InputInvalid as error:
        said = " ".join(f"{issue.path}: {issue.message}" for issue in error.issues)
        run = {
            "input_data": case.test.input,
            "status": "refused",
            "output": None,
            "steps": [],
            "error": {"code": error.code, "message": f"{error.message} {said}"},
        }
    found = [
        f"step `{step_id}` would {doing}: add its result under `given.{step_id}`"
        for step_id, doing in stubs.missing.items()
    ] or problems(case, run)
    return _Result(file, case.test.name, found, (time.perf_counter() - begun) * 1_000)


async def _ignore(kind: str, said: Mapping[str, Any]) -> None:
    """Ignore events, because only the result is checked."""


def _show(result: _Result) -> None:
    mark, color = ("FAIL", "red") if result.problems else ("ok", "green")
    print_text(f"  {mark:5}", color=color, bold=bool(result.problems), newline=False)
    print_text(f"{result.name}  ({duration(result.milliseconds)})")
    for problem in result.problems:
        print_text(f"         {problem}")


def _junit_case(result: _Result) -> JunitCase:
    return JunitCase(result.file, result.name, result.problems, result.milliseconds / 1_000)


def _data(results: Sequence[_Result]) -> list[dict[str, Any]]:
    return [
        {
            "file": str(result.file),
            "name": result.name,
            "passed": not result.problems,
            "problems": list(result.problems),
            "duration_ms": round(result.milliseconds),
        }
        for result in results
    ]
