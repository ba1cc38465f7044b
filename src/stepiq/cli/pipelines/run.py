"""`stepiq run FILE`: executes one run without a server, in a temporary store."""

import asyncio
import logging as levels
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from stepiq.cli.output.console import ExitCode, UsageError, print_json, say
from stepiq.cli.output.progress import ProgressLine, make_progress
from stepiq.cli.pipelines.inputs import build_input, explain_invalid
from stepiq.cli.pipelines.local_reviews import LocalReviewer
from stepiq.cli.pipelines.validate import findings_data, read_draft, show_findings
from stepiq.cli.pipelines.workbench import workbench
from stepiq.cli.preflight import require_models
from stepiq.cli.results import show_result
from stepiq.cli.weights import fetch_weights, uses_local_model
from stepiq.core import json
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.core.observability import log_output
from stepiq.core.settings import model as settings
from stepiq.core.settings.environment import variable
from stepiq.core.settings.model import Settings
from stepiq.execution.outcomes import FailureCode
from stepiq.language.data import is_array, is_object
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.definitions.loading import load_document
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.definitions.checking import Findings, check
from stepiq.pipelines.records import Draft
from stepiq.providers.registry import Providers
from stepiq.runs.schemas import RunDetail
from stepiq.store.states import ReviewDecision


@dataclass(frozen=True, slots=True)
class LocalRunRequest:
    """Arguments and options of the command."""

    file: Path
    inputs: Sequence[str]
    input_file: Path | None = None
    model: str | None = None
    """Model for every `llm` step. None keeps the models of the pipeline."""
    as_json: bool = False
    secrets: Sequence[str] = ()
    """Names of environment variables. Their values become secrets with the same names."""
    review: ReviewDecision | None = None
    """Decision for every review. None prompts at the terminal."""


def run_file(request: LocalRunRequest) -> bool:
    """Run a pipeline file and print the run. Returns whether the run completed.

    Raises:
        UsageError: the file or the input cannot be read, or a model cannot be used.
        typer.Exit: the input does not match the schema, which is reported.
        StepIQError: a resource that the run needs is missing.
    """
    draft = read_draft(request.file)
    configured = settings.load()
    _warn_of_misspelled(configured)
    providers = Providers(configured, is_server=False)
    if request.model is not None:
        draft = _with_model(draft, request.model, providers)
    secrets = read_secrets(request.secrets)
    findings = check(draft, providers, secrets)
    definition = draft.loaded.definition
    if findings.errors or definition is None:
        if request.as_json:
            print_json(findings_data(findings))
        else:
            show_findings(request.file, findings)
        return False
    data = build_input(definition, request.inputs, request.input_file)
    try:
        definition.input.validate(data)
    except InputInvalid as error:
        explain_invalid(error)
        raise typer.Exit(ExitCode.USAGE) from None
    require_models(definition, providers, secrets, request.model)
    missing = _missing(draft, secrets)
    if not request.as_json:
        _show_notes(request.file, definition, missing)
    if uses_local_model(definition, providers):
        fetch_weights(configured)
    log_output.configure(configured.log_format, level=levels.ERROR)
    progress = None if request.as_json else make_progress(definition)
    running = _run(draft, data, progress, secrets, request.review)
    run = asyncio.run(running).model_dump(mode="json")
    if request.as_json:
        print_json(run)
        return run["status"] == "completed"
    say()
    if missing and run["error"] and run["error"]["code"] == FailureCode.SECRET_MISSING:
        # The warning above names the secret and how to set it.
        run["error"]["message"] = "A secret is missing: see the warning above."
    return show_result(run)


def _warn_of_misspelled(configured: Settings) -> None:
    for name, nearest in settings.unknown_variables(configured).items():
        # Others may belong to a script around the command.
        if nearest:
            say(f"warning  {name} is set, but this setting does not exist. Did you mean {nearest}?")


def _show_notes(file: Path, definition: Definition, missing: list[Issue]) -> None:
    show_findings(file, Findings([], missing))
    if definition.deliver or definition.on_success or definition.on_failure:
        say(
            "note     `stepiq run` sends no deliveries: it ignores `output.deliver` and `notifications`."
        )


def _missing(draft: Draft, secrets: Collection[str]) -> list[Issue]:
    """Issues for missing secrets that steps read. Secrets of targets and webhooks are not needed here."""
    return [
        replace(
            issue,
            message=f"The secret `{name}` is missing. Set the environment variable {name}, and add --secret {name}.",
        )
        for name, issue in draft.loaded.secrets
        if name not in secrets and issue.path.startswith("steps[")
    ]


def _with_model(draft: Draft, model: str, providers: Providers) -> Draft:
    """The pipeline with `model` in every `llm` step.

    Raises:
        UsageError: the model does not exist.
    """
    for found in providers.check(model):
        if found.severity == "error":
            raise UsageError(f"--model: {found.message}")
    document = draft.loaded.document
    if document is None or draft.loaded.definition is None:
        return draft
    every = draft.loaded.definition.every_step
    asking = {step.id for step in every if step.spec.asked_models}
    if not asking:
        say("note     --model has no effect: no step of this pipeline calls a model.")
        return draft
    return _rewritten(draft, {**document, "steps": _asking(document["steps"], asking, model)})


def _asking(part: Json, asking: set[str], model: str) -> Json:
    """Steps, or one step, that ask `model` wherever they ask a model."""
    if is_array(part):
        return [_asking(step, asking, model) for step in part]
    if not is_object(part):
        return part
    changed = dict(part)
    if part.get("id") in asking:
        changed |= {"model": model, "fallback_models": None}
    for name in ("steps", "step"):
        if name in part:
            changed[name] = _asking(part[name], asking, model)
    return changed


def _rewritten(draft: Draft, document: dict[str, Json]) -> Draft:
    # Issues about secrets keep their lines in the file.
    loaded = replace(load_document(document), secrets=draft.loaded.secrets)
    return replace(draft, loaded=loaded, text=json.dumps(document), source_format=SourceFormat.JSON)


def read_secrets(names: Sequence[str]) -> dict[str, str]:
    """Read secrets from the environment, because command lines are visible to other users and kept in shell histories.

    Raises:
        UsageError: a name is not allowed, or the variable is not set.
    """
    found: dict[str, str] = {}
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
            raise UsageError(
                "--secret takes the name of an environment variable, not a value. Names consist of letters, digits and `_`, "
                "such as --secret CRM_TOKEN."
            )
        value = variable(name)
        if value is None:
            raise UsageError(f"--secret {name}: the environment variable {name} is not set.")
        found[name] = value
    return found


async def _run(
    draft: Draft,
    data: dict[str, Json],
    progress: ProgressLine | None,
    secrets: Mapping[str, str],
    review: ReviewDecision | None,
) -> RunDetail:
    async with workbench() as bench:
        reviewer = LocalReviewer(bench, review)

        async def receive(kind: str, said: Mapping[str, Any]) -> None:
            if progress is not None:
                progress.event(kind, said)
            await reviewer.receive(kind, said)

        try:
            return await bench.run(await bench.save(draft, secrets), data, receive)
        finally:
            if progress is not None:
                progress.close()
