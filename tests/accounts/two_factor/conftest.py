"""Accounts with two-factor sign-in."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest

from stepiq.accounts.service import Account
from tests.support.clients import login, login_key
from tests.support.make_accounts import PASSWORD
from tests.support.make_two_factor import Phone, to_next_step

__all__ = ["login", "login_key"]

TOTP = "/api/user/totp"


Enrol = Callable[[httpx2.AsyncClient, Account], Awaitable[Phone]]


@pytest.fixture
def enrol() -> Enrol:
    """Turns two-factor sign-in on, as the owner of an account."""

    async def enrol(client: httpx2.AsyncClient, account: Account) -> Phone:
        begun = await client.post(TOTP)
        assert begun.status_code == 200, begun.text
        phone = Phone(account, begun.json()["secret"])
        to_next_step()
        confirmed = await client.post(f"{TOTP}/confirm", json={"code": phone.code()})
        assert confirmed.status_code == 200, confirmed.text
        phone.recovery_codes = confirmed.json()["recovery_codes"]
        return phone

    return enrol


@pytest.fixture
async def phone(owner: httpx2.AsyncClient, account: Account, enrol: Enrol) -> Phone:
    """`account` has two-factor sign-in. The code of the current step is used."""
    return await enrol(owner, account)


@pytest.fixture
def sign_in(client: httpx2.AsyncClient, account: Account):
    """Logs `account` in on one of the two routes."""

    async def sign_in(code: str | None = None, *, path: str = "/api/auth/login", **fields: str):
        body = {"email": account.email, "password": PASSWORD, **fields}
        if code is not None:
            body["code"] = code
        return await client.post(path, json=body)

    return sign_in
