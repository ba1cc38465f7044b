"""Builds the request or mail of an attempt from the target, the run's recorded data and the stored secrets.

It is built again for each attempt, so that no secret is stored in plain text.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import ParamSpec, TypeVar

from stepiq.accounts.errors import EmailUnverified
from stepiq.billing.errors import PlanWebhooksDisabled
from stepiq.billing.service import require_webhooks
from stepiq.core import clock
from stepiq.core.concurrency.fairness import OwnShare, act_for
from stepiq.core.control_characters import storable
from stepiq.core.http import GuardedClient, RequestInvalid, mask_host
from stepiq.core.json import Json
from stepiq.core.keys.encryption import SecretUnreadable
from stepiq.execution.definitions import Definitions, VersionNotFound
from stepiq.execution.journal import reading
from stepiq.execution.limits.plans import Plans
from stepiq.execution.protocols import SecretReader
from stepiq.execution.records.run import ClaimedRun
from stepiq.execution.run_secrets import Maskers, RunSecrets, found_secrets
from stepiq.execution.scope import last_records, last_scope
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.targets import EmailTarget, WebhookTarget
from stepiq.language.templates import Template, TemplateError
from stepiq.notify import mailing, queries, targets
from stepiq.notify.recipients.service import Recipients
from stepiq.notify.records import (
    ChatMessage,
    Delivery,
    EventName,
    MailCall,
    Occasion,
    Sender,
    Unconfirmed,
    Unsendable,
    WebhookCall,
)
from stepiq.notify.reviewing import ReviewMail
from stepiq.redaction.masking import EXCERPT_CHARACTERS, Masker
from stepiq.runs.links import RUN_LINK_LIFETIME, RunLinks
from stepiq.store.database import Session
from stepiq.store.states import TargetType, TriggerType

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Material:
    definition: Definition
    occasion: Occasion
    scope: dict[str, Json]
    secrets: RunSecrets


@dataclass(frozen=True, slots=True)
class Preparer:
    """Reads the data of an attempt and renders its templates."""

    definitions: Definitions
    plans: Plans
    secrets: SecretReader
    http: GuardedClient
    base_url: str
    """Public address of this server."""
    run_links: RunLinks
    review_mail: ReviewMail
    recipients: Recipients
    verifies_addresses: bool
    """Whether only accounts with a verified address can send email."""
    run_retention: timedelta | None
    """How long runs are kept after their end; None if forever."""
    maskers: Maskers = field(default_factory=Maskers)

    async def prepare(
        self, session: Session, delivery: Delivery
    ) -> WebhookCall | MailCall | Unsendable | Unconfirmed:
        """Build what an attempt sends. The session only reads, and is not needed to send."""
        # Deliveries have their own share, separate from the workspace's runs: a transaction is open here, so a delivery
        # must not wait for the computations of runs.
        act_for(OwnShare("deliveries", delivery.workspace_id))
        sender = await queries.sender(session, delivery.pipeline_id, delivery.pipeline_version)
        refused = self._refused(delivery, sender)
        if refused is not None:
            return refused
        call = await self._call(session, delivery)
        if isinstance(call, MailCall):
            return await self._with_consent(session, delivery, sender, call)
        return call

    def _refused(self, delivery: Delivery, sender: Sender | None) -> Unsendable | None:
        if sender is None:
            return None
        if sender.is_disabled:
            return Unsendable("All members of the workspace are disabled, so nothing is sent.")
        is_mail = delivery.target_type is TargetType.EMAIL
        if is_mail and self.verifies_addresses and not sender.is_verified:
            return Unsendable(EmailUnverified().message)
        return None

    async def _call(
        self, session: Session, delivery: Delivery
    ) -> WebhookCall | MailCall | Unsendable:
        if delivery.event is EventName.REVIEW_REQUESTED:
            return await self.review_mail.prepare(session, delivery)
        occasion = await queries.occasion(session, delivery)
        if occasion is None:
            return Unsendable("The run has been deleted.")
        try:
            definition = await self.definitions.get(
                session, delivery.pipeline_id, delivery.pipeline_version
            )
        except VersionNotFound as error:
            return Unsendable(error.message)
        target, address = targets.find(definition, delivery.target_path)
        try:
            material = await self._material(session, delivery, definition, occasion, target)
        except SecretUnreadable as error:
            return Unsendable(error.message)
        if isinstance(target, WebhookTarget):
            call = await self._webhook(delivery, target, material)
        else:
            call = await self._mail(delivery, target, address or "", material)
        if isinstance(call, Unsendable):
            return replace(call, masker=material.secrets.masker)
        return call

    async def _with_consent(
        self, session: Session, delivery: Delivery, sender: Sender | None, call: MailCall
    ) -> MailCall | Unsendable | Unconfirmed:
        if sender is None:
            return Unsendable("The version of the pipeline has been deleted.")
        consent = await self.recipients.consent(session, delivery.workspace_id, call.to)
        if not consent.is_given:
            return Unconfirmed(call.to, sender.email)
        if consent.stop_url is None:
            return call
        stop = f"To stop emails of this sender, open this link:\n{consent.stop_url}\n"
        return replace(call, text=f"{call.text.rstrip()}\n\n{stop}", is_confidential=True)

    async def _material(
        self,
        session: Session,
        delivery: Delivery,
        definition: Definition,
        occasion: Occasion,
        target: WebhookTarget | EmailTarget,
    ) -> _Material:
        names = definition.secret_names | definition.signing_secret_names
        found = await self.secrets.read(
            session,
            workspace_id=delivery.workspace_id,
            pipeline_id=delivery.pipeline_id,
            names=names,
        )
        secrets = await found_secrets(self.maskers, found, names)
        scope: dict[str, Json] = {"env": secrets.labels}
        if any(_reads_run(template) for template in _templates(target)):
            run = None
            if delivery.run_id is not None:
                run = await reading.recorded(session, delivery.run_id)
            run = run or _sample_run(delivery)
            await _read_used(run, definition, target)
            scope = last_scope(run, definition, secrets)
        return _Material(definition, occasion, scope, secrets)

    async def _webhook(
        self, delivery: Delivery, target: WebhookTarget, material: _Material
    ) -> WebhookCall | Unsendable:
        try:
            require_webhooks(self.plans.get(material.occasion.plan))
        except PlanWebhooksDisabled as error:
            return Unsendable(error.message)
        signing_secret = None
        if target.signing_secret_name is not None:
            signing_secret = material.secrets.named.get(target.signing_secret_name)
            if not signing_secret:
                return Unsendable(
                    f"The signing secret `{target.signing_secret_name}` is not stored, and deliveries are never sent "
                    "unsigned. Store it with POST /api/user/secrets, then redeliver."
                )
        masker = material.secrets.masker
        scope = material.secrets.sending(material.scope)
        url = ""
        try:
            url = await _render(target.url, "url", scope)
            material.secrets.permit(target.secret_names)(self.http.check(url))
            headers = {
                name: (await _render(value, f"headers.{name}", scope)).strip(" \t")
                for name, value in target.headers.items()
            }
        except (_Unrendered, RequestInvalid) as error:
            return Unsendable(
                await _apart(masker, len(url), mask_host, str(error), url, masker.text)
            )
        shown_url = await _shown(target.url, material)
        return WebhookCall(
            method=target.method,
            url=url,
            headers=headers,
            signing_secret=signing_secret,
            occasion=material.occasion,
            shown={
                "type": "webhook",
                "url": await _apart(masker, len(shown_url), masker.text, shown_url),
            },
            shown_headers=await _shown_headers(target.headers, material),
            masker=masker,
            message=self._message(delivery, target),
        )

    def _message(self, delivery: Delivery, target: WebhookTarget) -> ChatMessage | None:
        if target.chat is None:
            return None
        # A test has no run.
        page = f"deliveries/{delivery.id}" if delivery.run_id is None else f"runs/{delivery.run_id}"
        return ChatMessage(target.chat, f"{self.base_url}/{page}")

    async def _mail(
        self, delivery: Delivery, target: EmailTarget, address: str, material: _Material
    ) -> MailCall | Unsendable:
        occasion = material.occasion
        rendered = None
        if target.subject is not None:
            try:
                rendered = await _render(target.subject, "subject", material.scope)
            except _Unrendered as error:
                return Unsendable(str(error))
        subject = mailing.subject(delivery, occasion, rendered)
        until = clock.now() + RUN_LINK_LIFETIME
        if self.run_retention is not None and occasion.completed_at is not None:
            until = min(until, occasion.completed_at + self.run_retention)
        # Created for each attempt and never stored.
        token = self.run_links.token(occasion.run_id, until)
        places = mailing.Places(
            run=f"{self.base_url}/runs/{occasion.run_id}",
            delivery=f"{self.base_url}/deliveries/{delivery.id}",
            link=self.run_links.url(token),
            until=until,
        )
        return MailCall(
            to=address,
            subject=subject,
            text=await mailing.text(delivery, occasion, places),
            shown={"type": "email", "to": address},
            masker=material.secrets.masker,
            is_confidential=mailing.has_link(delivery, occasion),
        )


class _Unrendered(Exception):
    """A template of a target cannot be rendered; the message names the field."""


async def _render(template: Template, field: str, scope: Mapping[str, Json]) -> str:
    try:
        return await offload.render(template, scope)
    except TemplateError as error:
        raise _Unrendered(f"`{field}` cannot be rendered: {error.message}") from None


def _templates(target: WebhookTarget | EmailTarget) -> list[Template]:
    if isinstance(target, WebhookTarget):
        return [target.url, *target.headers.values()]
    return [target.subject] if target.subject is not None else []


def _reads_run(template: Template) -> bool:
    return any(reference.parts[:1] != ("env",) for reference in template.references)


async def _read_used(
    run: ClaimedRun, definition: Definition, target: WebhookTarget | EmailTarget
) -> None:
    """Parse the values of a run that the templates of a target may read."""
    last, names, reads_input = last_records(run, definition), set[str](), False
    for template in _templates(target):
        for reference in template.references:
            match reference.parts:
                case ("steps", name, *_):
                    names.add(name)
                case ("input", *_):
                    reads_input = True
                case ("vars" | "variables" | "env" | "run", *_):
                    pass
                case _:
                    # It can read anything, such as in a loop over `steps`.
                    names.update(last)
                    reads_input = True
    if reads_input:
        await reading.read_input(run)
    used = [record for name, record in last.items() if record is not None and name in names]
    await reading.read_outputs(used, partial(asyncio.sleep, 0))


async def _shown(template: Template, material: _Material) -> str:
    # A masker misses secrets that are short or changed by a helper. This scope contains labels instead of secrets.
    try:
        return await offload.render(template, material.scope)
    except TemplateError:
        return template.source


async def _shown_headers(headers: Mapping[str, Template], material: _Material) -> dict[str, str]:
    shown = {name: (await _shown(value, material)).strip(" \t") for name, value in headers.items()}
    masker = material.secrets.masker
    return await _apart(masker, sum(map(len, shown.values())), _masked, shown, masker)


async def _apart(
    masker: Masker, size: int, function: Callable[P, T], *args: P.args, **options: P.kwargs
) -> T:
    """Call a function that masks texts of this size; in a thread if that is slow."""
    if masker.is_slow(size):
        return await offload.compute(function, *args, **options)
    return function(*args, **options)


def _masked(headers: Mapping[str, str], masker: Masker) -> dict[str, str]:
    return {name: _excerpt(storable(value), masker) for name, value in headers.items()}


def _excerpt(value: str, masker: Masker) -> str:
    # The beginning of a long value is enough, because receivers refuse long headers.
    if len(value) <= EXCERPT_CHARACTERS:
        return masker.text(value)
    return f"{masker.excerpt(value)}…"


def _sample_run(delivery: Delivery) -> ClaimedRun:
    """The run that a test event's templates read: it has no input, and no step has run."""
    return ClaimedRun(
        id=delivery.id,
        workspace_id=delivery.workspace_id,
        pipeline_id=delivery.pipeline_id,
        pipeline_version=delivery.pipeline_version,
        trigger_type=TriggerType.MANUAL,
        input_data={},
        claim=0,
        started_at=delivery.created_at,
        created_at=delivery.created_at,
        deadline_at=delivery.created_at,
    )
