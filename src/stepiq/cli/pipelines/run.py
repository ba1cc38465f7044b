"""`stepiq run FILE`: executes one run without a server, in a temporary store."""

import asyncio
import logging as levels
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from stepiq.cli.models import fetch_weights, uses_local_model
from stepiq.cli.output.console import ExitCode, UsageError, confirm, print_json, say, say_block
from stepiq.cli.output.progress import ProgressLine, make_progress, show_result
from stepiq.cli.pipelines.inputs import build_input, explain_invalid
from stepiq.cli.pipelines.validate import findings_data, read_draft, show_findings
from stepiq.cli.pipelines.workbench import Workbench, workbench
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
from stepiq.language.definitions.step import Step
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.definitions.checking import Findings, check
from stepiq.pipelines.records import Draft
from stepiq.providers.registry import ModelUnusable, Providers
from stepiq.runs.reviews import service
from stepiq.runs.reviews.records import Answer, Review
from stepiq.runs.schemas import RunDetail
from stepiq.store.states import ReviewDecision, RunStatus


def require_models(
    definition: Definition, providers: Providers, keys: Mapping[str, str], chosen: str | None
) -> None:
    """Refuse a pipeline in which a step that always runs calls an unusable model.

    Args:
        definition: definition of the pipeline, with `chosen` in its steps.
        providers: the configured providers.
        keys: the given secrets, which may be API keys.
        chosen: the model of the option `--model`.
    """
    problems: dict[str, tuple[ModelUnusable, list[str]]] = {}
    for step in certain_steps(definition.steps):
        if error := _unusable(step.spec.asked_models, providers, keys):
            problems.setdefault(error.message, (error, []))[1].append(f"`{step.id}`")
    if not problems:
        return
    sentences = [_sentence(error, steps, chosen) for error, steps in problems.values()]
    raise UsageError(
        f"{' '.join(sentences)} Or choose another model for every step:",
        _alternatives(providers, keys),
    )


def certain_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps that every run executes: those without `if`, up to the first step that may jump."""
    for step in steps:
        if step.condition is None:
            yield step
            for sequence in step.sequences:
                yield from certain_steps(sequence)
        if _may_jump(step):
            return


def _may_jump(step: Step) -> bool:
    return bool(step.spec.own_jumps or step.on_condition) or step.on_error.jump is not None


def _unusable(
    models: Sequence[str | None], providers: Providers, keys: Mapping[str, str]
) -> ModelUnusable | None:
    """The error of a step's first model if none of its models can be used, otherwise None."""
    first: ModelUnusable | None = None
    for model in models:
        try:
            _ = providers.default_model(keys) if model is None else providers.resolve(model, keys)
        except ModelUnusable as error:
            first = first or error
        else:
            return None
    return first


def _sentence(error: ModelUnusable, steps: Sequence[str], chosen: str | None) -> str:
    model, setting = error.facts.get("model"), error.facts.get("setting")
    if model is None:
        what = f"{_named(steps, 'names', 'name')} no model, and no provider is configured."
        return f"{what} Set an API key such as OPENAI_API_KEY."
    if setting is None:
        return f"{_named(steps, 'cannot run', 'cannot run')}. {error.message}"
    where = (
        f"{_named(steps, 'calls', 'call')} `{model}`, but"
        if chosen is None
        else f"--model {chosen}:"
    )
    return f"{where} {setting} is not set. Set this environment variable."


def _named(steps: Sequence[str], one: str, many: str) -> str:
    return f"Step {steps[0]} {one}" if len(steps) == 1 else f"Steps {', '.join(steps)} {many}"


def _alternatives(providers: Providers, keys: Mapping[str, str]) -> Iterator[str]:
    ids: list[str] = []
    with suppress(ModelUnusable):
        ids.append(providers.default_model(keys).id)
    described = {provider.id: provider for provider in providers.describe(keys)}
    if described["local"].usable:
        ids += described["local"].models
    for model in dict.fromkeys(ids):
        yield f"--model {model}"
    first = "" if described["ollama"].usable else ", after you have set OLLAMA_BASE_URL"
    yield f"--model ollama/NAME for a model of your Ollama server{first}"


class LocalReviewer:
    """Decides the reviews of one run."""

    def __init__(self, bench: Workbench, decision: ReviewDecision | None) -> None:
        self._bench = bench
        self._decision = decision
        self._asked: Mapping[str, Any] | None = None

    async def receive(self, kind: str, data: Mapping[str, Any]) -> None:
        """Handle an event of the run, and decide the review for which the run waits.

        Raises:
            UsageError: the option is missing, and there is no terminal.
        """
        if kind == "review.requested":
            self._asked = data
        elif kind == "run.status" and data["status"] == RunStatus.WAITING and self._asked:
            asked, self._asked = self._asked, None
            await self._decide(UUID(asked["run_id"]), asked["step_id"], asked["iteration"])

    async def _decide(self, run_id: UUID, step_id: str, iteration: int) -> None:
        services, actor = self._bench.services, self._bench.actor
        async with services.database.reading() as session:
            review = await service.get(session, actor, run_id, step_id, iteration)
        decision = self._decision or await asyncio.to_thread(_ask, review)
        async with services.database.transaction() as session:
            await service.decide(
                session,
                actor,
                run_id,
                step_id,
                Answer(decision),
                engine=services.engine,
                iteration=iteration,
            )
        say(f"  {step_id}: {decision}")


def _ask(review: Review) -> ReviewDecision:
    if not sys.stdin.isatty():
        raise UsageError(
            f"Step `{review.step_id}` waits for a review, and there is no terminal to ask for it. Add --review approve or "
            "--review reject, or run the pipeline on a server."
        )
    shown = review.input if isinstance(review.input, str) else json.dumps(review.input)
    say_block(f"\n{review.message}\n\n{shown}\n")
    is_approved = confirm("Approve?")
    return ReviewDecision.APPROVE if is_approved else ReviewDecision.REJECT


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
    """Run a pipeline file and print the run. Returns whether the run completed."""
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
    """The pipeline with `model` in every `llm` step."""
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
    """Read secrets from the environment, because command lines are visible to other users and kept in shell histories."""
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
