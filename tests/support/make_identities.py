"""Identities of accounts at providers of OpenID Connect."""

from uuid import UUID, uuid4

from stepiq.accounts.oidc import queries
from stepiq.accounts.service import Account
from stepiq.core import clock
from stepiq.store.database import Database


class MakeIdentities:
    database: Database

    async def identity(self, account: Account) -> UUID:
        """Connect an identity to an account."""
        async with self.database.transaction() as session:
            made = await queries.insert(
                session,
                user_id=account.id,
                provider="company",
                issuer="https://company.example",
                subject=uuid4().hex,
                email=account.email,
                now=clock.now(),
            )
        assert made is not None
        return made
