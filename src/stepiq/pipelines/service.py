"""Operations on pipelines."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.emails.verification import require_verified
from stepiq.accounts.secrets import service as secret_store
from stepiq.billing import service as billing
from stepiq.core import clock, ids
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.execution.definitions import VersionNotFound
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import Loaded, load
from stepiq.language.definitions.step_types import added_packages
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines import queries, slugs
from stepiq.pipelines.definitions.checking import check
from stepiq.pipelines.definitions.rendering import to_yaml
from stepiq.pipelines.errors import (
    DefinitionInvalid,
    DefinitionMalformed,
    PipelineArchived,
    PipelineNotFound,
    StaleVersion,
    VersionInUse,
)
from stepiq.pipelines.protocols import Watcher
from stepiq.pipelines.records import Draft, Management, Pipeline, Target, Version, text_digest
from stepiq.providers.registry import Providers
from stepiq.store.database import Session
from stepiq.store.pubsub import PIPELINE_CHANGED, Changes
from stepiq.store.states import PipelineStatus, is_draft_version


@dataclass(frozen=True, slots=True)
class Rules:
    """What definitions are checked against, and where changes are published."""

    plans: Plans
    providers: Providers
    changes: Changes
    """Receives `PIPELINE_CHANGED` after the commit of a new version or status."""
    watcher: Watcher | None
    """Called in the same transaction; None where nothing depends on pipelines, such as without a server."""
    verifies_addresses: bool
    """Whether only accounts with a verified address can send email."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved pipeline and the warnings for its author."""

    pipeline: Pipeline
    warnings: list[Issue]


async def create(
    session: Session, actor: Actor, draft: Draft, rules: Rules, reserved_id: UUID | None = None
) -> Saved:
    """Store a new pipeline and its version 1, under the id that a draft has reserved, if there is one.

    Raises:
        DefinitionMalformed: the text cannot be parsed.
        DefinitionInvalid: the definition cannot be run. Lists all problems.
        PlanStepsExceeded: it has more steps than the plan allows.
        PlanWebhooksDisabled: it has a webhook target, and the plan has no webhooks.
        PlanCronDisabled: its schedule is enabled, and the plan has no schedules.
        EmailUnverified: it sends email or has a new schedule, and the address of the account is not verified.
        CredentialInvalid: it has a new schedule, and the session or the key has ended.
        PlanPipelinesExceeded: as many pipelines are active as the plan allows.
        PlanVersionsExceeded, PlanBytesExceeded: the plan does not allow another version, or one of this size.
        PlanSchedulesExceeded: it has a schedule, and the plan does not allow another one.
        SlugTaken: the requested slug belongs to another pipeline.
    """
    definition, warnings = await accept(session, actor, draft, rules)
    await _require_room(session, actor, rules.plans.get(actor.plan))
    now = clock.now()
    name = draft.name or definition.name
    pipeline = Pipeline(
        id=reserved_id or ids.uuid7(),
        workspace_id=actor.workspace_id,
        slug=draft.slug or await slugs.free(session, actor.workspace_id, name),
        name=name,
        description=definition.description if draft.description is None else draft.description,
        definition=draft.loaded.document,
        version=1,
        source_format=draft.source_format,
        text_sha256=text_digest(draft.text).hex(),
        status=PipelineStatus.ACTIVE,
        tags=draft.tags or [],
        last_run=None,
        created_at=now,
        updated_at=now,
        management=draft.management or Management(None),
    )
    was_run = reserved_id is not None and await queries.lock_unsaved(
        session, actor.workspace_id, reserved_id
    )
    insert = queries.insert_first if was_run else queries.insert
    while not await insert(session, pipeline):
        if draft.slug:
            raise await slugs.conflict(session, actor.workspace_id, draft.slug)
        # A concurrent transaction has just taken the slug.
        pipeline = replace(pipeline, slug=slugs.unusual(name))
    if rules.watcher is not None:
        await rules.watcher.version_saved(session, actor, pipeline.id, definition)
    await _add_version(session, actor, pipeline.id, 1, draft, rules)
    return Saved(pipeline, warnings)


async def create_reserved(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    draft: Draft,
    rules: Rules,
    *,
    if_match: str | None,
) -> Saved:
    """Store a new pipeline under the id that a draft has reserved. `"v0"` is its entity tag before.

    Raises:
        StaleVersion: `if_match` names a version.
        StepIQError: as for `create`.
    """
    if if_match is not None and not _matches(if_match, 0):
        raise StaleVersion(pipeline_id, 0)
    return await create(session, actor, draft, rules, pipeline_id)


async def save(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    draft: Draft,
    rules: Rules,
    *,
    if_match: str | None = None,
) -> Saved:
    """Store a new version of a pipeline and make it the one that runs use.

    `if_match` is the header `If-Match`; None overwrites any version.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PipelineArchived: it must be restored first.
        StaleVersion: the newest version is not among those of `if_match`.
        DefinitionMalformed, DefinitionInvalid, PlanStepsExceeded, PlanWebhooksDisabled, PlanCronDisabled,
        PlanVersionsExceeded, PlanBytesExceeded, PlanSchedulesExceeded, EmailUnverified, SlugTaken: as for `create`.
    """
    found = await lock_kept(session, actor, pipeline_id)
    if if_match is not None and not _matches(if_match, found.version):
        current = None
        if Scope.PIPELINES_READ in actor.scopes:
            newest = await version(session, actor, pipeline_id, found.version)
            current = partial(_current, newest)
        raise StaleVersion(pipeline_id, found.version, current)
    definition, warnings = await accept(session, actor, draft, rules, pipeline_id)
    values: dict[str, Any] = {
        "version": found.version + 1,
        "name": draft.name or definition.name,
        "description": (definition.description if draft.description is None else draft.description),
    }
    if draft.tags is not None:
        values["tags"] = draft.tags
    if draft.slug is not None:
        values["slug"] = draft.slug
    if draft.management is not None:
        values |= draft.management.columns
    # Before quotas are locked: the slug may wait for a transaction that waits for the quotas.
    if not await queries.update(session, pipeline_id, values, clock.now()):
        raise await slugs.conflict(session, actor.workspace_id, str(draft.slug))
    if rules.watcher is not None:
        await rules.watcher.version_saved(session, actor, pipeline_id, definition)
    await _add_version(session, actor, pipeline_id, found.version + 1, draft, rules)
    publish_change(session, rules.changes, pipeline_id)
    return Saved(await get(session, actor, pipeline_id), warnings)


async def get(session: Session, actor: Actor, pipeline_id: UUID) -> Pipeline:
    """A pipeline, archived or not.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
    """
    pipeline = await queries.find(session, actor.workspace_id, pipeline_id)
    if pipeline is None:
        raise PipelineNotFound(pipeline_id)
    return pipeline


async def lock_kept(session: Session, actor: Actor, pipeline_id: UUID) -> Target:
    """Lock a pipeline that is not archived until this transaction ends.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PipelineArchived: it must be restored first.
    """
    found = await _lock(session, actor, pipeline_id)
    if found.status is PipelineStatus.ARCHIVED:
        raise PipelineArchived(pipeline_id)
    return found


async def patch(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    *,
    name: str | None,
    description: str | None,
    tags: list[str] | None,
    management: Management | None = None,
) -> Pipeline:
    """Change fields outside the definition, without a new version. None keeps a field's value.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PipelineArchived: it must be restored first.
    """
    await lock_kept(session, actor, pipeline_id)
    wanted = {"name": name, "description": description, "tags": tags}
    values: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    if management is not None:
        values |= management.columns
    if values:
        await queries.update(session, pipeline_id, values, clock.now())
    return await get(session, actor, pipeline_id)


async def archive(session: Session, actor: Actor, pipeline_id: UUID, rules: Rules) -> Pipeline:
    """Archive a pipeline, which ends its pause. An archived one does not change.

    After the commit, this process no longer triggers it. Runs in progress continue, and runs and versions stay
    readable.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
    """
    if (await _lock(session, actor, pipeline_id)).status is not PipelineStatus.ARCHIVED:
        values = {"status": PipelineStatus.ARCHIVED, **queries.NOT_PAUSED}
        await queries.update(session, pipeline_id, values, clock.now())
        if rules.watcher is not None:
            await rules.watcher.archived(session, pipeline_id)
        publish_change(session, rules.changes, pipeline_id)
    return await get(session, actor, pipeline_id)


async def restore(session: Session, actor: Actor, pipeline_id: UUID, rules: Rules) -> Pipeline:
    """Restore an archived pipeline. Another one does not change.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PlanPipelinesExceeded: as many others are active as the plan allows.
        PlanSchedulesExceeded: it has schedules, and the plan does not allow so many.
    """
    if (await _lock(session, actor, pipeline_id)).status is PipelineStatus.ARCHIVED:
        if rules.watcher is not None:
            await rules.watcher.restoring(session, pipeline_id)
        await _require_room(session, actor, rules.plans.get(actor.plan))
        values = {"status": PipelineStatus.ACTIVE, **queries.NOT_PAUSED}
        await queries.update(session, pipeline_id, values, clock.now())
        if rules.watcher is not None:
            await rules.watcher.restored(session, actor, pipeline_id)
    return await get(session, actor, pipeline_id)


async def version(session: Session, actor: Actor, pipeline_id: UUID, number: int) -> Version:
    """One version of a pipeline.

    Raises:
        VersionNotFound: the actor's workspace has no such pipeline, or the pipeline no such version.
    """
    found = await queries.version(session, actor.workspace_id, pipeline_id, number)
    if found is None:
        raise VersionNotFound(pipeline_id, number)
    return found


async def delete_version(session: Session, actor: Actor, pipeline_id: UUID, number: int) -> None:
    """Delete a version, which frees the plan's quotas of versions and bytes. Its number is not reused.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        VersionNotFound: the pipeline has no such version.
        VersionInUse: it is the newest one, or has runs.
    """
    pipeline = await _lock(session, actor, pipeline_id)
    if is_draft_version(number):
        raise VersionNotFound(pipeline_id, number)
    found = await version(session, actor, pipeline_id, number)
    is_newest = number == pipeline.version
    if is_newest or not await queries.delete_version(session, pipeline_id, number):
        raise VersionInUse(pipeline_id, number, is_newest=is_newest)
    await quotas.give_back_versions(session, actor.workspace_id, [len(found.text.encode())])


async def restore_version(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    number: int,
    rules: Rules,
    *,
    loaded: Loaded | None = None,
    if_match: str | None = None,
) -> Saved:
    """Save an earlier version again as the newest, with exactly the same text and its name and description.

    A version never changes. On SQLite, others wait for a transaction that writes, so read it before, as `loaded`.

    Raises:
        VersionNotFound: the actor's workspace has no such pipeline, or the pipeline no such version.
        PipelineArchived, StaleVersion, DefinitionMalformed, DefinitionInvalid, PlanStepsExceeded, PlanWebhooksDisabled,
        PlanCronDisabled, PlanVersionsExceeded, PlanBytesExceeded, PlanSchedulesExceeded, EmailUnverified, SlugTaken: as
            for `save`, because a definition that was allowed then may not be allowed now.
    """
    found = await version(session, actor, pipeline_id, number)
    if loaded is None:
        loaded = await offload.compute_apart(load, found.text, found.source_format)
    draft = Draft(loaded, found.text, found.source_format)
    return await save(session, actor, pipeline_id, draft, rules, if_match=if_match)


async def target(session: Session, actor: Actor, pipeline_id: UUID) -> Target:
    """A pipeline that is not archived.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
    """
    found = await queries.target(session, actor.workspace_id, pipeline_id)
    if found is None or found.status is PipelineStatus.ARCHIVED:
        raise PipelineNotFound(pipeline_id, is_archived=found is not None)
    return found


async def stored_secrets(
    session: Session,
    actor: Actor,
    draft: Draft,
    providers: Providers,
    pipeline_id: UUID | None = None,
) -> frozenset[str]:
    """The stored ones of the secrets that a definition can use, including provider keys."""
    wanted = {name for name, _ in draft.loaded.secrets} | providers.key_names
    return await secret_store.stored_names(session, actor.workspace_id, wanted, pipeline_id)


def text_as_yaml(found: Version) -> str:
    """A version as YAML: the original text if it was YAML, else the document rendered as YAML."""
    if found.source_format is SourceFormat.YAML:
        return found.text
    return to_yaml(found.definition)


async def accept(
    session: Session, actor: Actor, draft: Draft, rules: Rules, pipeline_id: UUID | None = None
) -> tuple[Definition, list[Issue]]:
    """The definition of a draft and its warnings, if the caller may save and run it.

    Raises:
        DefinitionMalformed, DefinitionInvalid, PlanStepsExceeded, PlanWebhooksDisabled, PlanCronDisabled,
        EmailUnverified: as for `create`.
    """
    if draft.loaded.malformed:
        raise DefinitionMalformed(draft.loaded.errors)
    stored = await stored_secrets(session, actor, draft, rules.providers, pipeline_id)
    findings = check(draft, rules.providers, stored)
    definition = draft.loaded.definition
    if findings.errors or definition is None:
        raise DefinitionInvalid(findings.errors)
    _require_plan(rules.plans.get(actor.plan), definition)
    if rules.verifies_addresses and definition.sends_mail:
        await require_verified(session, actor.user_id)
    return definition, findings.warnings


def _require_plan(plan: Plan, definition: Definition) -> None:
    billing.require_steps(plan, definition.step_count)
    if definition.has_webhook_target:
        billing.require_webhooks(plan)
    if definition.schedule is not None and definition.schedule.enabled:
        billing.require_cron(plan)


async def _add_version(
    session: Session, actor: Actor, pipeline_id: UUID, number: int, draft: Draft, rules: Rules
) -> None:
    plan, size_bytes = rules.plans.get(actor.plan), len(draft.text.encode())
    await quotas.take_version(session, actor.workspace_id, plan, size_bytes)
    version = Version(
        pipeline_id=pipeline_id,
        version=number,
        definition=draft.loaded.document,
        text=draft.text,
        source_format=draft.source_format,
        created_by=actor.user_id,
        created_at=clock.now(),
    )
    definition = draft.loaded.definition
    assert definition is not None  # noqa: S101 - the caller has accepted it
    await queries.insert_version(
        session,
        actor.workspace_id,
        version,
        secret_names=sorted({name for name, _ in draft.loaded.secrets}),
        step_packages=added_packages(step.type for step in definition.every_step),
    )


async def _require_room(session: Session, actor: Actor, plan: Plan) -> None:
    if plan.pipelines is None:
        return
    await quotas.lock(session, actor.workspace_id, "pipelines")
    active = await queries.count_active(session, actor.workspace_id, plan.pipelines)
    billing.require_pipelines(plan, active)


async def _lock(session: Session, actor: Actor, pipeline_id: UUID) -> Target:
    found = await queries.lock(session, actor.workspace_id, pipeline_id)
    if found is None:
        raise PipelineNotFound(pipeline_id)
    return found


def publish_change(session: Session, changes: Changes, pipeline_id: UUID) -> None:
    """Publish after the commit that a pipeline has changed."""
    session.after_commit(lambda: changes.publish(PIPELINE_CHANGED, str(pipeline_id)))


def _current(found: Version) -> Json:
    """A version as a refused request shows it, with the text that the caller can merge."""
    return {
        "version": found.version,
        "text": text_as_yaml(found),
        "source_format": str(found.source_format),
        "created_by": str(found.created_by),
        "created_at": clock.iso(found.created_at),
    }


def _matches(if_match: str, version: int) -> bool:
    tags = {tag.strip() for tag in if_match.split(",")}
    return "*" in tags or etag(version) in tags


def etag(version: int) -> str:
    """The entity tag of a version, including quotes."""
    return f'"v{version}"'
