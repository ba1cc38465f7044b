"""`stepiq run FILE`: one run without a server, in a store that is thrown away at the end."""

import asyncio
import logging as levels
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stepiq.cli.console import UsageError, print_json, say
from stepiq.cli.documents import findings_data, read_draft, show_findings
from stepiq.cli.inputs import build_input
from stepiq.cli.local_reviews import LocalReviewer
from stepiq.cli.progress import Progress, make_progress
from stepiq.cli.results import show_result
from stepiq.cli.weights import fetch_weights, uses_local_model
from stepiq.cli.workbench import workbench
from stepiq.core import json, logging, settings
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.engine.providers.registry import Providers
from stepiq.language.loading import load_document
from stepiq.language.source import SourceFormat
from stepiq.language.specs import LlmSpec
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.records import Draft
from stepiq.runs.schemas import RunDetail
from stepiq.store.states import ReviewDecision


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    file: Path
    inputs: Sequence[str]
    input_file: Path | None = None
    model: str | None = None
    """Model of every step that names one or none; None leaves them as written."""
    as_json: bool = False
    secrets: Sequence[str] = ()
    """Names of environment variables whose values are the secrets of those names."""
    review: ReviewDecision | None = None
    """What every review gets; None asks at the terminal."""


def run_file(request: Request) -> bool:
    """Run a pipeline file and show it; whether it completed.

    Raises:
        UsageError: the file or the input cannot be read.
        StepIQError: the input does not fit, or something that is needed is missing.
    """
    draft = read_draft(request.file)
    if request.model is not None:
        draft = _with_model(draft, request.model)
    configured = settings.load()
    secrets = read_secrets(request.secrets)
    findings = pipelines.check(draft, Providers(configured), secrets)
    definition = draft.loaded.definition
    if findings.errors or definition is None:
        if request.as_json:
            print_json(findings_data(findings))
        else:
            show_findings(request.file, findings)
        return False
    if not request.as_json:
        show_findings(request.file, pipelines.Findings([], _missing(findings)))
        if definition.deliver or definition.on_success or definition.on_failure:
            say(
                "note     A run without a server tells nobody: targets of `output.deliver` and `notifications` get nothing."
            )
    data = build_input(definition, request.inputs, request.input_file)
    definition.input.validate(data)
    if uses_local_model(definition, Providers(configured)):
        fetch_weights(configured)
    logging.configure(configured.log_format, level=levels.ERROR)
    progress = None if request.as_json else make_progress()
    running = _run(draft, data, progress, secrets, request.review)
    run = asyncio.run(running).model_dump(mode="json")
    if request.as_json:
        print_json(run)
        return run["status"] == "completed"
    say()
    return show_result(run)


def _missing(findings: pipelines.Findings) -> list[Issue]:
    """The secrets that steps read and that were not given; those of targets and webhooks are not needed here."""
    advice = "Name the environment variable that holds this secret: --secret NAME."
    return [
        replace(
            issue, message=f"{issue.message.partition(' is not stored')[0]} is not given. {advice}"
        )
        for issue in findings.warnings
        if issue.code == "secret_missing" and issue.path.startswith("steps[")
    ]


def _with_model(draft: Draft, model: str) -> Draft:
    """The same pipeline with every model step asking `model`."""
    document = draft.loaded.document
    if document is None or draft.loaded.definition is None:
        return draft
    every = draft.loaded.definition.every_step
    asking = {step.id for step in every if isinstance(step.spec, LlmSpec)}
    return _rewritten(draft, {**document, "steps": _asking(document["steps"], asking, model)})


def _asking(steps: list[Json], asking: set[str], model: str) -> list[Json]:
    changed: list[Json] = []
    for step in steps:
        inside: dict[str, Json] = {}
        if step["id"] in asking:
            inside = {"model": model, "fallback_models": None}
        if isinstance(step.get("steps"), list):
            inside["steps"] = _asking(step["steps"], asking, model)
        if isinstance(step.get("step"), dict):
            (inside["step"],) = _asking([step["step"]], asking, model)
        changed.append({**step, **inside})
    return changed


def _rewritten(draft: Draft, document: dict[str, Json]) -> Draft:
    return replace(
        draft,
        loaded=load_document(document),
        source=json.dumps(document),
        source_format=SourceFormat.JSON,
    )


def read_secrets(names: Sequence[str]) -> dict[str, str]:
    """Secrets from the environment: a command line can be seen by others, and stays in a shell's history.

    Raises:
        UsageError: a name is none that secrets have, or no variable has it.
    """
    found: dict[str, str] = {}
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
            raise UsageError(
                "--secret takes the name of an environment variable, never a value: letters, digits and `_`, such as "
                "--secret CRM_TOKEN."
            )
        value = settings.variable(name)
        if value is None:
            raise UsageError(f"--secret {name}: the environment variable {name} is not set.")
        found[name] = value
    return found


async def _run(
    draft: Draft,
    data: dict[str, Json],
    progress: Progress | None,
    secrets: Mapping[str, str],
    review: ReviewDecision | None,
) -> RunDetail:
    async with workbench() as bench:
        reviewer = LocalReviewer(bench, review)

        async def hear(kind: str, said: Mapping[str, Any]) -> None:
            if progress is not None:
                progress.event(kind, said)
            await reviewer.hear(kind, said)

        try:
            return await bench.run(await bench.save(draft, secrets), data, hear)
        finally:
            if progress is not None:
                progress.close()
