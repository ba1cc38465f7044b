"""Accounts with two-factor sign-in."""

from dataclasses import dataclass, field
from datetime import timedelta

from stepiq.accounts import service as accounts
from stepiq.accounts.service import Account
from stepiq.accounts.two_factor import codes, service
from stepiq.core import clock
from stepiq.core.keys.encryption import Keyring
from stepiq.store.database import Database
from tests.support.make_accounts import actor
from tests.support.make_secrets import keyring


@dataclass
class Phone:
    """An authenticator app with the secret of an account, and its recovery codes."""

    account: Account
    secret: str
    recovery_codes: list[str] = field(default_factory=list[str])

    def code(self, steps: int = 0) -> str:
        """The code that the app shows, or shows some steps of 30 seconds later."""
        return codes.code_of(self.secret, codes.step_at(clock.now()) + steps)

    def wrong_code(self) -> str:
        """A code of six digits that is not valid now."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(each for number in range(10) if (each := f"{number:06d}") not in near)

    def next_code(self) -> str:
        """A code that was not used, at the beginning of the next time step."""
        to_next_step()
        return self.code()


def to_next_step() -> None:
    """Move the clock to the beginning of the next time step, so that none begins while a test uses a code."""
    period = codes.PERIOD_SECONDS
    clock.advance(timedelta(seconds=period - clock.now().timestamp() % period))


class MakeTwoFactor:
    database: Database

    async def two_factor(self, account: Account, *, keys: Keyring | None = None) -> Phone:
        """Turn two-factor sign-in on. Only a server with the same `keys` can check codes from the app."""
        async with self.database.transaction() as session:
            opened = await accounts.open_session(session, account.id)
            caller = actor(account, session_id=opened.session_id)
            used = keys or keyring()
            made = await service.begin(session, used, caller, base_url="http://127.0.0.1")
            phone = Phone(account, made.secret)
            _, codes = await service.confirm(session, used, caller, phone.code())
        phone.recovery_codes = codes
        return phone
