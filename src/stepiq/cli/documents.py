"""Pipeline files: reading them, and saying everything that is wrong with them."""

from collections.abc import Collection
from pathlib import Path

from stepiq.cli.console import issue_data, issue_line, print_json, read_text, say
from stepiq.core import settings
from stepiq.engine.providers.registry import Providers
from stepiq.language.loading import load
from stepiq.language.source import SourceFormat
from stepiq.pipelines import service
from stepiq.pipelines.records import Draft
from stepiq.pipelines.service import Findings


def read_draft(file: Path) -> Draft:
    """A pipeline file, right or wrong; `.json` is read as JSON, all else as YAML.

    Raises:
        UsageError: there is no such file, or it is no text.
    """
    text = read_text(file, "pipeline's YAML or JSON file")
    source_format = SourceFormat.JSON if file.suffix.lower() == ".json" else SourceFormat.YAML
    return Draft(load(text, source_format), text, source_format)


def validate(file: Path, *, as_json: bool, secrets: Collection[str] | None = None) -> bool:
    """Say what is wrong with a pipeline file; whether it can be run.

    `secrets` are the names of those that there will be; None says nothing about secrets.
    """
    draft = read_draft(file)
    findings = service.check(draft, Providers(settings.load()), secrets)
    if as_json:
        print_json(findings_data(findings))
    else:
        show_findings(file, findings)
        if not findings.errors:
            definition = draft.loaded.definition
            count = definition.step_count if definition else 0
            say(f"{file}: valid, {count} {'step' if count == 1 else 'steps'}")
    return not findings.errors


def findings_data(findings: Findings) -> dict[str, object]:
    """Findings as the API's `validate` answers them."""
    return {
        "valid": not findings.errors,
        "errors": issue_data(findings.errors),
        "warnings": issue_data(findings.warnings),
    }


def show_findings(file: Path, findings: Findings) -> None:
    """One line for each error and warning."""
    for issue in findings.errors:
        say(f"error    {issue_line(issue, str(file))}")
    for issue in findings.warnings:
        say(f"warning  {issue_line(issue, str(file))}")
