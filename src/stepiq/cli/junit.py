"""Writes results of tests as JUnit XML, which CI systems show."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from stepiq.cli.output.console import UsageError

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

    Raises:
        UsageError: the file cannot be written.
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
