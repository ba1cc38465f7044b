import asyncio
import threading
import time

import httpx2
import pytest
from pwdlib import PasswordHash

from stepiq.accounts.credentials import passwords as module
from stepiq.accounts.credentials.passwords import Passwords
from stepiq.accounts.errors import Busy
from stepiq.accounts.queries import accounts as account_queries


@pytest.fixture
def passwords():
    passwords = Passwords()
    yield passwords
    passwords.close()


class TestVerify:
    async def test_the_right_one_is_told_from_others(self, passwords):
        stored = await passwords.hash("correct horse")

        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.verify("correct horse", stored)
        assert not await passwords.verify("wrong horse", stored)

    async def test_nobody_has_no_password(self, passwords):
        assert not await passwords.verify("", None)

    @pytest.mark.slow
    async def test_nobodys_takes_as_long_as_somebodys(self, passwords):
        stored = await passwords.hash("correct horse")

        async def seconds(known):
            started = time.perf_counter()
            await passwords.verify("wrong horse", known)
            return time.perf_counter() - started

        # The shortest of many, in turn, because other processes use the same processors.
        took = [(await seconds(stored), await seconds(None)) for _ in range(25)]
        somebody, nobody = (min(each) for each in zip(*took, strict=True))

        assert 0.4 < nobody / somebody < 2.5


class Hashes:
    """Hashes that take as long as the test wants, except those of quick passwords."""

    def __init__(self):
        self.done = threading.Event()
        self.begun = threading.Semaphore(0)

    def hash(self, password):
        self.begun.release()
        if not password.startswith("quick"):
            assert self.done.wait(30)
        return password

    def verify(self, password, stored):
        return self.hash(password) == stored


@pytest.fixture
def hashes(monkeypatch):
    hashes = Hashes()
    monkeypatch.setattr(PasswordHash, "hash", lambda _, password: hashes.hash(password))
    monkeypatch.setattr(PasswordHash, "verify", lambda _, *given: hashes.verify(*given))
    yield hashes
    hashes.done.set()


@pytest.fixture
async def strangers(passwords, hashes):
    """Takes all places and fills the queue, once the test wants it."""
    tasks = []

    async def arrive(client=None):
        for number in range(passwords._everyone.size + module._WAITING):
            name = client or f"stranger-{number}"
            tasks.append(asyncio.create_task(passwords.verify("slow", None, client=name)))
        await asyncio.sleep(0)

    yield arrive
    hashes.done.set()
    await asyncio.gather(*tasks, return_exceptions=True)


class TestPlaces:
    @pytest.mark.parametrize(("count", "places"), [(1, 1), (2, 1), (3, 1), (4, 2), (64, 2)])
    async def test_strangers_use_at_most_half_of_the_processors(
        self, hashes, monkeypatch, count, places
    ):
        monkeypatch.setattr(module, "processor_count", lambda: count)
        passwords = Passwords()
        calls = [
            asyncio.create_task(passwords.hash("slow", client=f"stranger-{number}"))
            for number in range(4)
        ]
        for _ in range(places):
            assert await asyncio.to_thread(hashes.begun.acquire, timeout=30)

        assert passwords._everyone.free == 0
        assert not await asyncio.to_thread(hashes.begun.acquire, timeout=0.1)

        hashes.done.set()
        await asyncio.gather(*calls)
        passwords.close()

    async def test_strangers_do_not_keep_out_a_client_that_is_known(self, passwords, strangers):
        await strangers()

        assert await passwords.hash("quick", client="home", is_known=True) == "quick"
        assert await passwords.verify("quick", "quick", client="home", is_known=True)
        with pytest.raises(Busy):
            await passwords.hash("quick", client="home")

    async def test_one_client_does_not_fill_the_queue(self, passwords, strangers, hashes):
        await strangers("hostile")
        waiting = asyncio.create_task(passwords.hash("quick", client="other"))
        await asyncio.sleep(0)
        assert not waiting.done()

        hashes.done.set()

        assert await waiting == "quick"

    async def test_one_site_does_not_fill_the_queue(self, passwords, hashes):
        names = [f"2001:db8:0:{number:x}::/64" for number in range(module._WAITING_OF_SITE)]
        calls = [asyncio.create_task(passwords.hash("slow", client=name)) for name in names]
        await asyncio.sleep(0)

        refused, other = (
            asyncio.create_task(passwords.hash("quick", client=client))
            for client in ("2001:db8:0:ffff::/64", "2001:db8:1:1::/64")
        )
        await asyncio.sleep(0)
        hashes.done.set()

        with pytest.raises(Busy):
            await refused
        await asyncio.gather(*calls)
        assert await other == "quick"
        assert await passwords.hash("quick", client="2001:db8:0:ffff::/64") == "quick"


class TestChange:
    @pytest.fixture
    def passwords(self, app):
        return app.state.doors.passwords

    async def test_strangers_do_not_keep_an_account_from_changing_its_password(
        self, owner, account, database, strangers
    ):
        async with database.transaction() as session:
            await account_queries.update_password(session, account.id, "quick password")
        await strangers()

        body = {"current_password": "quick password", "new_password": "quick and new"}
        response = await owner.post("/api/user/password", json=body)

        assert response.status_code == 200


class TestLogin:
    @pytest.fixture
    def passwords(self, app):
        return app.state.doors.passwords

    async def test_strangers_do_not_keep_an_account_from_its_known_client(
        self, app, client, account, database, strangers
    ):
        async with database.transaction() as session:
            await account_queries.update_password(session, account.id, "quick password")
        login = {"email": account.email, "password": "quick password"}
        assert (await client.post("/api/auth/login", json=login)).status_code == 200
        await strangers()

        known = await client.post("/api/auth/login", json=login)
        elsewhere = httpx2.ASGITransport(app, client=("203.0.113.9", 40_000))
        async with httpx2.AsyncClient(transport=elsewhere, base_url=client.base_url) as other:
            unknown = await other.post("/api/auth/login", json=login)

        assert (known.status_code, unknown.status_code) == (200, 503)
