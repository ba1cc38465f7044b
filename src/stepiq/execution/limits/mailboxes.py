"""Emails that strangers get without having asked for them, by mailbox: how many on a day, and who refuses them.

These are the emails that ask a recipient to confirm, and invitations. All workspaces share the counts and the refusals.
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from stepiq.core import addresses
from stepiq.execution.limits.usage import day_of, day_period
from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.tables import asked_addresses

ASKED_A_DAY = 3
"""How many of these emails one mailbox may get per UTC day, from all workspaces together."""
_SWEPT = 100


async def count(session: Session, email: str, now: datetime) -> bool:
    """Count an email to an address; False, without counting, if the mailbox has refused or reached the limit."""
    day = day_period(now)
    new = session.insert(asked_addresses).values(
        email=addresses.mailbox(email), day=day.current, asked=1
    )
    asked = day.of(asked_addresses.c.day, asked_addresses.c.asked) + 1
    counted = new.on_conflict_do_update(
        index_elements=["email"],
        set_={"day": day.counted(asked_addresses.c.day), "asked": asked},
        where=sa.and_(asked <= ASKED_A_DAY, asked_addresses.c.refused_at.is_(None)),
    ).returning(asked_addresses.c.asked)
    return (await session.execute(counted)).one_or_none() is not None


async def has_refused(session: Session, email: str) -> bool:
    """Whether the mailbox of an address has refused these emails."""
    return bool(await refused(session, [email]))


async def refused(session: Session, emails: Iterable[str]) -> set[str]:
    """Those of some addresses whose mailbox has refused these emails."""
    mailboxes = {email: addresses.mailbox(email) for email in emails}
    statement = sa.select(asked_addresses.c.email).where(
        asked_addresses.c.email.in_(mailboxes.values()),
        asked_addresses.c.refused_at.is_not(None),
    )
    found = set((await session.execute(statement)).scalars())
    return {email for email, mailbox in mailboxes.items() if mailbox in found}


async def note_refusal(session: Session, email: str, now: datetime) -> None:
    """Record that the mailbox of an address refuses these emails of all workspaces."""
    new = session.insert(asked_addresses).values(
        email=addresses.mailbox(email), day=day_of(now), asked=0, refused_at=now
    )
    await session.execute(
        new.on_conflict_do_update(index_elements=["email"], set_={"refused_at": now})
    )


async def forget_refusal(session: Session, email: str) -> None:
    """Let workspaces send these emails to the mailbox of an address again."""
    of_mailbox = asked_addresses.c.email == addresses.mailbox(email)
    await session.execute(asked_addresses.update().where(of_mailbox).values(refused_at=None))


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of counts of earlier days; returns the number deleted. Refusals are kept.

    Recipients are kept too, because their links can refuse at any time.
    """
    counts = asked_addresses.c.refused_at.is_(None)
    return await sweeping.delete_oldest(session, asked_addresses.c.day, day_of(now), _SWEPT, counts)
