"""Reads pipeline files and reports their errors."""

from collections.abc import Collection, Sequence
from pathlib import Path

from stepiq.cli.output.console import (
    ExitCode,
    UsageError,
    issue_data,
    issue_line,
    print_json,
    read_text,
    say,
)
from stepiq.cli.pipelines.files import pipelines_in
from stepiq.core.errors import Issue
from stepiq.core.settings import model as settings
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.definitions.checking import Findings, check
from stepiq.pipelines.records import Draft
from stepiq.providers.registry import Providers


def read_draft(file: Path) -> Draft:
    """Read a pipeline file, valid or not. `.json` files are read as JSON, all others as YAML."""
    text = read_text(file, "pipeline's YAML or JSON file")
    source_format = SourceFormat.JSON if file.suffix.lower() == ".json" else SourceFormat.YAML
    return Draft(load(text, source_format), text, source_format)


def validate(
    files: Sequence[Path], *, as_json: bool, secrets: Collection[str] | None = None
) -> ExitCode:
    """Report the errors and warnings of pipeline files.

    Args:
        files: the pipeline files, or folders with them. All are read before any is reported.
        as_json: print the API's report for one file, or a list of reports for several.
        secrets: names of the available secrets. None disables warnings about secrets.

    Returns:
        The exit code: `USAGE` if a file cannot be read.
    """
    providers = Providers(settings.load(), is_server=False)
    drafts = {file: _read(file) for file in pipelines_in(files)}
    found = {
        file: check(draft, providers, secrets) if isinstance(draft, Draft) else draft
        for file, draft in drafts.items()
    }
    unreadable = [file for file, draft in drafts.items() if not isinstance(draft, Draft)]
    invalid = [file for file, each in found.items() if each.errors and file not in unreadable]
    if as_json:
        data = [{"file": str(file), **findings_data(each)} for file, each in found.items()]
        one = findings_data(next(iter(found.values())))
        is_one_file = len(found) == 1 and not any(file.is_dir() for file in files)
        print_json(one if is_one_file else {"valid": not (invalid or unreadable), "files": data})
    else:
        for file, findings in found.items():
            _show(file, drafts[file], findings)
        if len(found) > 1:
            unread = f", {len(unreadable)} cannot be read" if unreadable else ""
            valid = len(found) - len(invalid) - len(unreadable)
            say(f"{len(found)} files: {valid} valid, {len(invalid)} invalid{unread}")
    if unreadable:
        return ExitCode.USAGE
    return ExitCode.FAILED if invalid else ExitCode.OK


def _read(file: Path) -> Draft | Findings:
    """The draft in a file, or why the file cannot be read."""
    try:
        return read_draft(file)
    except UsageError as error:
        return Findings([Issue(path="", code="unreadable_file", message=error.message)], [])


def _show(file: Path, draft: Draft | Findings, findings: Findings) -> None:
    show_findings(file, findings)
    if isinstance(draft, Draft) and not findings.errors:
        definition = draft.loaded.definition
        count = definition.step_count if definition else 0
        say(f"{file}: valid, {count} {'step' if count == 1 else 'steps'}")


def findings_data(findings: Findings) -> dict[str, object]:
    """Findings in the shape of the API's `validate`."""
    return {
        "valid": not findings.errors,
        "errors": issue_data(findings.errors),
        "warnings": issue_data(findings.warnings),
    }


def show_findings(file: Path, findings: Findings) -> None:
    """Print one line for each error and warning."""
    for issue in findings.errors:
        say(f"error    {issue_line(issue, str(file))}")
    for issue in findings.warnings:
        say(f"warning  {issue_line(issue, str(file))}")
