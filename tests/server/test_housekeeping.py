import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stepiq.accounts.audit import recording
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import OPERATOR, AuditTarget
from stepiq.accounts.audit.sealing import seal
from stepiq.core.settings.model import load
from stepiq.server import worker
from stepiq.store.database import StoreUnavailable
from tests.support import loop_time
from tests.support.audit_log import recorded

pytestmark = pytest.mark.both_stores


class TestSweeps:
    @pytest.mark.parametrize(
        ("days", "kept"),
        [("0", ["old", "new"]), ("29", ["new"]), ("31", ["old", "new"])],
    )
    async def test_entries_of_the_audit_log_are_kept_as_long_as_the_environment_says(
        self, database, clock, monkeypatch, days, kept
    ):
        monkeypatch.setenv("STEPIQ_AUDIT_RETENTION_DAYS", days)
        settings = load(config_file=Path("/nowhere/stepiq.toml"))
        for name in ("old", "new"):
            clock.advance(timedelta(days=30))
            async with database.transaction() as session:
                target = AuditTarget(AuditTargetType.PIPELINE, "1", name)
                await recording.record(session, OPERATOR, Action.PIPELINE_ARCHIVED, target)
                await seal(session)

        await worker.sweep(database, worker.sweeps(settings))

        assert [row.target_name for row in await recorded(database)] == kept


class TestSweep:
    async def test_one_that_fails_holds_up_no_other(self, database):
        async def breaks(_session, _now):
            raise ValueError("broke")

        async def waits(_session, _now):
            raise StoreUnavailable("away")

        async def works(_session, _now):
            return 3

        with capture_logs() as logs:
            deleted = await worker.sweep(database, (breaks, waits, works))

        assert deleted == 3
        assert {line["event"] for line in logs} == {
            "housekeeping_broke",
            "housekeeping_waits_for_store",
        }


class TestSweepForEver:
    async def test_it_does_not_begin_with_the_process(self, database, monkeypatch):
        swept = asyncio.Event()

        async def note(_database, _sweeps):
            swept.set()
            return 0

        monkeypatch.setattr(worker, "sweep", note)
        task = asyncio.create_task(worker.sweep_for_ever(database, ()))
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

        assert not swept.is_set()

    async def test_it_goes_on_as_long_as_there_is_something(self, database, monkeypatch):
        # Of the first sweep.
        loop_time.quicken(30)
        left, swept = [2, 1, 0], asyncio.Event()

        async def note(_database, _sweeps):
            deleted = left.pop(0)
            if not left:
                swept.set()
            return deleted

        monkeypatch.setattr(worker, "sweep", note)
        task = asyncio.create_task(worker.sweep_for_ever(database, ()))
        await asyncio.wait_for(swept.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert left == []
