"""Cancelling a run that cannot be read afterwards."""

import pytest

from stepiq.core import ids
from stepiq.runs import service
from stepiq.runs.errors import RunNotFound
from stepiq.store.database import StoreUnavailable


@pytest.mark.both_stores
@pytest.mark.parametrize("error", [StoreUnavailable("away"), RunNotFound(ids.uuid7())])
async def test_if_the_run_cannot_be_read_its_id_and_status_are_shown(
    owner, run_id, monkeypatch, error
):
    async def fail(*_args, **_options):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(service, "read", fail)
        response = await owner.post(f"/api/runs/{run_id}/cancel")

    assert response.status_code == 200
    assert response.json() == {"id": str(run_id), "status": "cancelled"}
    assert (await owner.get(f"/api/runs/{run_id}")).json()["status"] == "cancelled"
