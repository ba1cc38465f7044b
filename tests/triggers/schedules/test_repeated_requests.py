"""Requests with an `Idempotency-Key` that are sent again."""

KEY = {"Idempotency-Key": "order-1"}


async def test_no_other_schedule_is_created(owner, pipeline_id):
    url = f"/api/pipelines/{pipeline_id}/schedules"
    body = {"name": "Daily", "cron_expression": "0 0 * * *"}

    first, again = [await owner.post(url, json=body, headers=KEY) for _ in range(2)]

    assert again.json() == first.json()
    assert (first.status_code, again.status_code) == (201, 201)


async def test_no_other_run_is_started(owner, account, make, pipeline_id):
    schedule_id = await make.schedule(account, pipeline_id)
    url = f"/api/schedules/{schedule_id}/run-now"

    first, again = [await owner.post(url, headers=KEY) for _ in range(2)]

    assert again.json() == first.json()
    assert (first.status_code, again.status_code) == (202, 202)
