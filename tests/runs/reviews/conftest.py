from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.tables import reviews
from tests.support.clients import login, login_key, login_service_key

__all__ = ["login", "login_key", "login_service_key"]


@pytest.fixture
async def pipeline_id(account, make) -> UUID:
    return await make.pipeline(account)


@pytest.fixture
async def ask(account, make, pipeline_id):
    """Has a new run of `account` ask something."""

    async def ask(**facts: Any):
        return await make.review(account, pipeline_id, **facts)

    return ask


@pytest.fixture
def links(settings) -> ReviewLinks:
    return ReviewLinks(settings)


@pytest.fixture
def token(links):
    """The token of an assignee's link."""

    def token(review, assignee: int = 0) -> str:
        return links.token(LinkHolder(review.id, assignee))

    return token


@pytest.fixture
def row(database):
    """A review as it is stored."""

    async def row(review):
        async with database.reading() as session:
            found = await session.execute(sa.select(reviews).where(reviews.c.id == review.id))
            return found.one()

    return row
