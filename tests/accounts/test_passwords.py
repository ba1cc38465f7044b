import time
from statistics import median

import pytest

from stepiq.accounts.passwords import Passwords


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

    async def test_nobodys_takes_as_long_as_somebodys(self, passwords):
        stored = await passwords.hash("correct horse")

        async def seconds(known):
            started = time.perf_counter()
            await passwords.verify("wrong horse", known)
            return time.perf_counter() - started

        somebody = median([await seconds(stored) for _ in range(9)])
        nobody = median([await seconds(None) for _ in range(9)])

        assert 0.4 < nobody / somebody < 2.5
