from datetime import timedelta

import pytest

from stepiq.accounts.signing_in import registration
from stepiq.core.settings.model import RegistrationPolicy
from tests.support.clients import outcome
from tests.support.make_accounts import PASSWORD

EMAIL = "ada@example.com"


@pytest.fixture
async def token(database, account):
    """An invitation of `EMAIL`."""
    async with database.transaction() as session:
        return await registration.invite(session, EMAIL)


@pytest.fixture
def register(client):
    async def register(token, email=EMAIL):
        body = {"email": email, "password": PASSWORD, "invitation": token}
        return await client.post("/api/auth/register", json=body)

    return register


class TestInvite:
    @pytest.mark.parametrize("registration", list(RegistrationPolicy))
    async def test_it_lets_in_whoever_may_register(self, register, token, settings, registration):
        settings.registration = registration

        response = await register(token)

        assert response.status_code == 201
        assert response.json()["user"]["plan"] == "unlimited"

    async def test_it_is_for_one_address(self, register, token):
        response = await register(token, "bob@example.com")

        assert outcome(response) == (422, "invitation_invalid")
        assert (await register(token, " ADA@example.com")).status_code == 201

    async def test_it_works_once(self, register, token, database):
        assert (await register(token)).status_code == 201

        assert (await register(token)).json()["code"] == "invitation_invalid"

    async def test_it_works_for_seven_days(self, register, token, clock):
        clock.advance(timedelta(days=7))

        assert (await register(token)).json()["code"] == "invitation_invalid"

    async def test_a_newer_one_replaces_it(self, register, token, database):
        async with database.transaction() as session:
            newer = await registration.invite(session, EMAIL)

        assert (await register(token)).json()["code"] == "invitation_invalid"
        assert (await register(newer)).status_code == 201
