import asyncio

from structlog.testing import capture_logs

from stepiq.server import housekeeping
from stepiq.store.database import StoreUnavailable


class TestSweep:
    async def test_one_that_fails_holds_up_no_other(self, database):
        async def breaks(_session, _now):
            raise ValueError("broke")

        async def waits(_session, _now):
            raise StoreUnavailable("away")

        async def works(_session, _now):
            return 3

        with capture_logs() as logs:
            deleted = await housekeeping.sweep(database, (breaks, waits, works))

        assert deleted == 3
        assert {line["event"] for line in logs} == {
            "housekeeping_broke",
            "housekeeping_waits_for_store",
        }


class TestSweepForEver:
    async def test_it_goes_on_as_long_as_there_is_something(self, database, monkeypatch):
        monkeypatch.setattr(housekeeping, "_PAUSE_SECONDS", 0)
        monkeypatch.setattr(housekeeping, "_PAUSE_SHARE", 0)
        left, swept = [2, 1, 0], asyncio.Event()

        async def note(_database, _sweeps):
            deleted = left.pop(0)
            if not left:
                swept.set()
            return deleted

        monkeypatch.setattr(housekeeping, "sweep", note)
        task = asyncio.create_task(housekeeping.sweep_for_ever(database, ()))
        await asyncio.wait_for(swept.wait(), 30)
        task.cancel()

        assert left == []
