"""Routes of email recipients."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from pydantic import StringConstraints

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing, TooManyAttempts
from stepiq.accounts.http import LinkDoor, needs
from stepiq.notify.errors import RecipientLinkExpired, RecipientLinkInvalid
from stepiq.notify.recipients import queries, service
from stepiq.notify.recipients.queries import Recipient, RecipientStatus
from stepiq.notify.recipients.service import RecipientLink
from stepiq.web.bodies import StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep
from stepiq.web.transactions import Read


class RecipientToken(StrictModel):
    """The token of the email that asks a recipient."""

    token: Annotated[str, StringConstraints(max_length=200)]


class RecipientView(View):
    """A recipient of email."""

    email: str
    confirmed: bool
    """Whether the workspace may send emails to this address."""
    released: int
    """Number of held emails that are sent now."""


class ListedRecipientView(View):
    """An address outside the workspace that its pipelines send emails to."""

    id: UUID
    email: str
    status: RecipientStatus
    asked_at: Timestamp
    """When the current request for confirmation began."""
    confirmed_at: Timestamp | None
    expires_at: Timestamp | None
    """Until when the recipient can confirm; null unless the status is `asked`."""


router = new_router("Deliveries")
public = new_router("Deliveries")

RECIPIENT_LINKS = AppKey[LinkDoor[RecipientLink]]("recipient_links")
RecipientLinkDoor = Annotated[LinkDoor[RecipientLink], Depends(RECIPIENT_LINKS)]


@router.get("/recipients", responses=problems(ScopeMissing))
async def list_recipients(
    caller: Annotated[Actor, needs(Scope.PIPELINES_READ)], read: Read, page: PageQuery
) -> Page[ListedRecipientView]:
    """Addresses outside the workspace that must confirm its emails.

    Members need not confirm. The list is empty if the server does not ask.
    """
    found = await queries.page(read, caller.workspace_id, before=page.before, limit=page.fetch)
    statuses = await service.statuses(read, found)
    return page.page(found, lambda each: _listed(each, statuses[each.id]), lambda each: each.id)


@public.post(
    "/recipients/confirm",
    responses=problems(RecipientLinkInvalid, RecipientLinkExpired, TooManyAttempts),
)
async def confirm_recipient(
    request: Request, services: ServicesDep, door: RecipientLinkDoor, body: RecipientToken
) -> RecipientView:
    """Agree to the emails of a workspace, with the token of one of them. Held emails are sent now."""
    link = await door.admit(request, body.token)
    async with services.database.transaction() as tx:
        answered = await service.confirm(tx, link, services.engine)
    return _answer(answered)


@public.post("/recipients/refuse", responses=problems(RecipientLinkInvalid, TooManyAttempts))
async def refuse_recipient(
    request: Request, services: ServicesDep, door: RecipientLinkDoor, body: RecipientToken
) -> RecipientView:
    """Refuse the emails of a workspace, with the token of one of them. The token does not expire.

    Held emails are not sent, and no workspace asks the address again.
    """
    link = await door.admit(request, body.token)
    async with services.database.transaction() as tx:
        answered = await service.refuse(tx, link)
    return _answer(answered)


def _answer(answered: service.Answered) -> RecipientView:
    return RecipientView(
        email=answered.email, confirmed=answered.is_confirmed, released=answered.released
    )


def _listed(recipient: Recipient, status: RecipientStatus) -> ListedRecipientView:
    is_asked = status is RecipientStatus.ASKED
    return ListedRecipientView(
        id=recipient.id,
        email=recipient.email,
        status=status,
        asked_at=recipient.asked_at,
        confirmed_at=recipient.confirmed_at,
        expires_at=recipient.asked_at + service.LIFETIME if is_asked else None,
    )
