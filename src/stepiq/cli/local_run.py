"""`stepiq run FILE`: one run without a server, in a store that is thrown away at the end."""

import asyncio
import logging as levels
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential
from stepiq.accounts.secrets import service as secret_store
from stepiq.billing.plans import Plans
from stepiq.cli.console import UsageError, print_json, say
from stepiq.cli.documents import findings_data, read_draft, show_findings
from stepiq.cli.inputs import build_input
from stepiq.cli.local_reviews import LocalReviewer
from stepiq.cli.progress import Progress, make_progress
from stepiq.cli.results import show_result
from stepiq.cli.weights import fetch_weights, uses_local_model
from stepiq.core import json, logging, settings
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.engine.providers.registry import Providers
from stepiq.language.loading import load_document
from stepiq.language.source import SourceFormat
from stepiq.language.specs import LlmSpec
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.records import Draft
from stepiq.runs import service as runs
from stepiq.runs.schemas import RunDetail, run_detail
from stepiq.server.assembly import built
from stepiq.store.changes import Subscription, run_topic
from stepiq.store.states import ReviewDecision, RunStatus
from stepiq.web.services import Services

_DRAIN = timedelta(seconds=1)
_PLAN = "enterprise"


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
    with tempfile.TemporaryDirectory(prefix="stepiq-run-") as folder:
        configured = settings.load(database_url=f"sqlite:///{Path(folder) / 'run.db'}")
        # Trying a pipeline tells nobody: neither its receivers nor people by mail.
        async with built(configured, sends=False) as services:
            await services.engine.start()
            try:
                return await _run_on(services, draft, data, progress, secrets, review)
            finally:
                if progress is not None:
                    progress.close()
                await services.engine.stop(_DRAIN)


async def _run_on(
    services: Services,
    draft: Draft,
    data: dict[str, Json],
    progress: Progress | None,
    secrets: Mapping[str, str],
    review: ReviewDecision | None,
) -> RunDetail:
    actor = await _actor(services)
    plans = cast(Plans, services.plans)
    rules = pipelines.Rules(plans, services.providers, services.changes)
    async with AsyncExitStack() as stack:
        async with services.database.transaction() as session:
            for name, value in secrets.items():
                # The store is thrown away at the end, and what it holds is encrypted.
                await secret_store.store(
                    session, actor, services.keyring, pipeline_id=None, name=name, value=value
                )
            saved = await pipelines.create(session, actor, draft, rules)
            run = await runs.start_pipeline(
                session,
                actor,
                saved.pipeline.id,
                engine=services.engine,
                plan=plans.get(_PLAN),
                input_data=data,
                version=None,
            )
            # Before the commit, so that no event is missed.
            listening = services.changes.subscribe(run_topic(run.id))
            subscription = await stack.enter_async_context(listening)
        reviewer = LocalReviewer(services, actor, run.id, review)
        await _follow(subscription, progress, reviewer)
    async with services.database.reading() as session:
        return run_detail(await runs.get(session, actor, run.id))


async def _follow(
    subscription: Subscription, progress: Progress | None, reviewer: LocalReviewer
) -> None:
    while True:
        event: dict[str, Any] = (await subscription.next()).payload
        if progress is not None:
            progress.event(event["type"], event["data"])
        await reviewer.hear(event["type"], event["data"])
        if event["type"] == "run.status" and RunStatus(event["data"]["status"]).is_final:
            return


async def _actor(services: Services) -> Actor:
    async with services.database.transaction() as session:
        account = await accounts.create_account(
            session,
            email="nobody@localhost",
            name=None,
            password_hash="",
            is_admin=True,
            plan=_PLAN,
        )
    return Actor(
        workspace_id=account.workspace_id,
        user_id=account.id,
        credential=Credential.SESSION,
        key_id=None,
        session_id=None,
        scopes=ALL_SCOPES,
        is_admin=True,
        plan=_PLAN,
    )
