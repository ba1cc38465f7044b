import asyncio

import pytest
import sqlalchemy as sa

from stepiq.accounts.queries.sealed import sealed_of
from stepiq.accounts.secrets import queries, rotation
from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.accounts.two_factor import service as two_factor
from stepiq.core.keys.encryption import SecretUnreadable
from stepiq.store.tables import secrets, totp_secrets
from tests.support.make_secrets import keyring

OLD, BOTH, NEW = keyring(b"o"), keyring(b"n", b"o"), keyring(b"n")
OLD_KEY = str(OLD.current)
VALUES = {"S0": "its own", "S1": "value 1", "S2": "value 2", "S3": "value 3"}


pytestmark = pytest.mark.both_stores


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 3)


@pytest.fixture
async def stored(make, account, stranger):
    """Seven secrets of two workspaces under the old key."""
    pipeline_id = await make.pipeline(account)
    for number in range(4):
        await make.secret(account, f"S{number}", f"value {number}", keys=OLD)
    await make.secret(account, "S0", "its own", pipeline_id=pipeline_id, keys=OLD)
    for number in range(2):
        await make.secret(stranger, f"S{number}", f"theirs {number}", keys=OLD)
    return pipeline_id


async def values(database, keys, account, pipeline_id):
    async with database.reading() as session:
        found = await StoredSecrets(keys).read(
            session, workspace_id=account.workspace_id, pipeline_id=pipeline_id, names=VALUES
        )
    return {name: secret.value for name, secret in found.items()}


class TestRotate:
    async def test_all_secrets_are_then_under_the_new_key_alone(
        self, database, account, stored, small_batches
    ):
        batches = []

        unreadable = await rotation.rotate(database, BOTH, batches.append)

        assert unreadable == []
        assert batches == [3, 3, 1]
        assert await values(database, NEW, account, stored) == VALUES
        assert await rotation.census(database, NEW) == rotation.Census(7, 0, {})

    async def test_a_second_time_there_is_nothing_to_do(self, database, stored):
        await rotation.rotate(database, BOTH, lambda moved: None)
        batches = []

        await rotation.rotate(database, BOTH, batches.append)

        assert batches == []

    async def test_killed_in_the_middle_it_goes_on_where_it_was(
        self, database, account, stored, small_batches
    ):
        def die(moved):
            raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            await rotation.rotate(database, BOTH, die)
        between = await rotation.census(database, BOTH)
        still_readable = await values(database, BOTH, account, stored)
        await rotation.rotate(database, BOTH, lambda moved: None)

        assert (between.current, between.rotatable) == (3, 4)
        assert still_readable == VALUES
        assert await values(database, NEW, account, stored) == VALUES

    async def test_new_values_stored_meanwhile_are_kept(
        self, database, make, account, stored, small_batches
    ):
        writing = []

        def store_more(moved):
            if not writing:
                for number in range(4):
                    changed = make.secret(account, f"S{number}", f"new {number}", keys=BOTH)
                    writing.append(asyncio.ensure_future(changed))

        await rotation.rotate(database, BOTH, store_more)
        await asyncio.gather(*writing)
        await rotation.rotate(database, BOTH, lambda moved: None)

        found = await values(database, NEW, account, stored)
        assert found == {"S0": "its own", "S1": "new 1", "S2": "new 2", "S3": "new 3"}

    async def test_one_that_changed_since_it_was_read_is_left_alone(self, database, stored):
        async with database.transaction() as session:
            rows = await queries.SEALED.wrapped_by(session, OLD_KEY, after=None, limit=1)
            await session.execute(sa.update(secrets).values(version=secrets.c.version + 1))
            sealed = BOTH.rewrap(sealed_of(rows[0]), queries.owner_of(rows[0]))

            assert not await queries.SEALED.rewrap(session, rows[0], sealed)

    async def test_a_damaged_one_is_named_and_the_others_move(self, database, stored):
        async with database.transaction() as session:
            await session.execute(
                sa.update(secrets).where(secrets.c.name == "S2").values(wrapped_key=b"x" * 60)
            )

        unreadable = await rotation.rotate(database, BOTH, lambda moved: None)

        assert unreadable == ["S2"]
        assert await rotation.census(database, BOTH) == rotation.Census(6, 1, {})

    async def test_those_of_a_key_that_is_not_here_stay_as_they_are(
        self, database, account, stored
    ):
        await rotation.rotate(database, NEW, lambda moved: None)

        assert await rotation.census(database, NEW) == rotation.Census(0, 0, {OLD_KEY: 7})
        assert await values(database, OLD, account, stored) == VALUES


class TestTwoFactor:
    async def check(self, database, keys, phone):
        async with database.transaction() as session:
            await two_factor.check_at_login(session, keys, phone.account.id, phone.next_code())

    async def test_codes_work_with_the_new_key_alone(self, database, make, account, stored):
        phone = await make.two_factor(account, keys=OLD)
        batches = []

        unreadable = await rotation.rotate(database, BOTH, batches.append)

        assert (unreadable, sum(batches)) == ([], 8)
        assert await rotation.census(database, NEW) == rotation.Census(8, 0, {})
        await self.check(database, NEW, phone)
        with pytest.raises(SecretUnreadable):
            await self.check(database, OLD, phone)

    async def test_without_the_key_recovery_codes_still_work(self, database, make, account):
        phone = await make.two_factor(account, keys=OLD)

        with pytest.raises(SecretUnreadable, match="Use a recovery code"):
            await self.check(database, NEW, phone)
        async with database.transaction() as session:
            used = await two_factor.check_at_login(
                session, NEW, account.id, phone.recovery_codes[0]
            )

        assert used == two_factor.Accepted(9)

    async def test_a_damaged_one_is_named(self, database, make, account):
        await make.two_factor(account, keys=OLD)
        async with database.transaction() as session:
            await session.execute(sa.update(totp_secrets).values(wrapped_key=b"x" * 60))

        unreadable = await rotation.rotate(database, BOTH, lambda moved: None)

        assert unreadable == [f"two-factor secret of account {account.id}"]


class TestCensus:
    async def test_it_counts_without_changing_anything(self, database, make, account, stored):
        await make.secret(account, "NEWER", keys=BOTH)

        found = await rotation.census(database, BOTH)

        assert found == rotation.Census(current=1, rotatable=7, lost={})
        assert found.total == 8
