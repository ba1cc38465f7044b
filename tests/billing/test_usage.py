from datetime import date, timedelta
from uuid import uuid4

import pytest

from stepiq.billing import queries, service
from stepiq.billing.errors import PeriodInvalid
from stepiq.billing.records import GroupBy, Period, PlanLimit
from stepiq.core import clock as core_clock
from stepiq.execution.limits.quotas import Quota
from stepiq.store.states import RunStatus
from tests.support.clients import login, login_key
from tests.support.make_pipelines import GREETING
from tests.support.query_plans import query_plan

__all__ = ["login", "login_key"]

YEAR = "from=2026-01-01&to=2026-12-31"


def today() -> date:
    return core_clock.now().date()


@pytest.fixture
async def used(account, make):
    """Usage of two pipelines on two days."""
    first, second = await make.pipeline(account), await make.pipeline(account)
    await make.usage(account, first, "2026-03-01", runs=3, runs_completed=2, runs_failed=1)
    await make.usage(
        account, first, "2026-03-01", "openai/a", runs=2,
        input_tokens=1_000, cached_tokens=200, output_tokens=500, credit_tokens=1_500, cost_usd_micros=70,
    )  # fmt: skip
    await make.usage(account, first, "2026-03-04", runs=1, runs_cancelled=1)
    await make.usage(
        account, first, "2026-03-04", "local/b", runs=1, input_tokens=40, output_tokens=2
    )
    await make.usage(account, second, "2026-03-04", runs=5, runs_completed=5)
    await make.usage(
        account, second, "2026-03-04", "openai/a", runs=5,
        input_tokens=3_000, credit_tokens=3_000, cost_usd_micros=30, cost_complete=False,
    )  # fmt: skip
    return first, second


async def usage(client, query):
    response = await client.get(f"/api/user/usage?{query}")
    assert response.status_code == 200, response.text
    return response.json()


class TestGetUsage:
    async def test_it_sums_the_period(self, owner, used):
        found = await usage(owner, YEAR + "&group_by=model")

        assert [quota["name"] for quota in found.pop("quotas")] == [*PlanLimit, *Quota]
        assert found == {
            "from": "2026-01-01",
            "to": "2026-12-31",
            "runs": {"total": 9, "completed": 7, "failed": 1, "cancelled": 1, "unfinished": 0},
            "tokens": {"input": 4_040, "cached": 200, "output": 502, "total": 4_542},
            "cost_usd_micros": 100,
            "cost_complete": False,
            "credits": {"used": 4, "remaining": None},
            "series": [
                {
                    "key": "openai/a", "name": None, "runs": 7,
                    "tokens": 4_500, "cost_usd_micros": 100, "cost_complete": False,
                },
                {
                    "key": "local/b", "name": None, "runs": 1,
                    "tokens": 42, "cost_usd_micros": 0, "cost_complete": True,
                },
            ],
            "series_complete": True,
            "daily": None,
        }  # fmt: skip

    async def test_by_pipeline_it_names_them(self, owner, used):
        series = (await usage(owner, YEAR + "&group_by=pipeline"))["series"]

        assert [(entry["key"], entry["name"], entry["runs"], entry["tokens"]) for entry in series] == [
            (str(used[1]), "Greeting", 5, 3_000),
            (str(used[0]), "Greeting", 4, 1_542),
        ]  # fmt: skip

    async def test_by_day_it_has_every_day(self, owner, used):
        series = (await usage(owner, "from=2026-02-28&to=2026-03-05"))["series"]

        assert [(entry["key"], entry["runs"], entry["tokens"]) for entry in series] == [
            ("2026-02-28", 0, 0),
            ("2026-03-01", 3, 1_500),
            ("2026-03-02", 0, 0),
            ("2026-03-03", 0, 0),
            ("2026-03-04", 6, 3_042),
            ("2026-03-05", 0, 0),
        ]

    @pytest.mark.both_stores
    async def test_by_caller_it_names_what_started_the_runs(self, owner, account, make):
        key = await make.api_key(account, name="Production")
        unknown = uuid4()
        for caller_id, tokens in ((key.id, 9), (account.id, 5), (unknown, 1)):
            await make.caller_usage(account, caller_id, "2026-03-01", runs=1, input_tokens=tokens)
        await make.caller_usage(account, key.id, "2026-03-02", output_tokens=1, cost_usd_micros=7)

        series = (await usage(owner, YEAR + "&group_by=caller"))["series"]

        assert [(entry["key"], entry["name"], entry["runs"], entry["tokens"]) for entry in series] == [
            (str(key.id), "Production", 1, 10),
            (str(account.id), account.name, 1, 5),
            (str(unknown), None, 1, 1),
        ]  # fmt: skip
        assert series[0]["cost_usd_micros"] == 7

    @pytest.mark.both_stores
    async def test_usage_by_day_adds_up_to_the_series(self, owner, used, monkeypatch):
        monkeypatch.setattr(service, "DAILY_LIMIT", 1)

        for group_by in ("model", "pipeline", "day"):
            found = await usage(owner, f"{YEAR}&group_by={group_by}&by_day=true")

            days = found["daily"]
            assert [day["day"] for day in days] == sorted(day["day"] for day in days)
            for name in ("tokens", "cost_usd_micros", "runs"):
                total = sum(entry[name] for entry in found["series"])
                assert sum(day[name] for day in days) == total, (group_by, name)

    async def test_entries_without_their_own_days_are_one(self, owner, used, monkeypatch):
        monkeypatch.setattr(service, "DAILY_LIMIT", 1)

        found = await usage(owner, YEAR + "&group_by=model&by_day=true")

        assert [(day["day"], day["key"], day["tokens"]) for day in found["daily"]] == [
            ("2026-03-01", "openai/a", 1_500),
            ("2026-03-04", "openai/a", 3_000),
            ("2026-03-04", None, 42),
        ]
        assert [day["cost_complete"] for day in found["daily"]] == [True, False, True]

    @pytest.mark.both_stores
    async def test_limits_of_the_plan_show_what_is_left(self, login, make, clock):
        account = await make.user(plan="free")
        client = await login(account)
        pipeline_id = await make.pipeline(account)
        for _ in range(2):
            await client.post(f"/api/pipelines/{pipeline_id}/run", json={})
        await make.credits_spent(account, core_clock.now().strftime("%Y-%m"), 2_600)

        found = {each["name"]: each for each in (await usage(client, ""))["quotas"]}

        shown = {
            name: (found[name]["used"], found[name]["limit"], found[name]["left"])
            for name in PlanLimit
        }
        assert shown == {
            "credits_per_month": (2, 100, 98),
            "runs_per_day": (2, 10, 8),
            "runs_at_once": (2, 2, 0),
            "runs_queued": (0, 20, 20),
            "pipelines": (1, 3, 2),
        }
        assert found["runs_at_once"]["resets_at"] is None
        tomorrow = (core_clock.now() + timedelta(days=1)).date().isoformat()
        assert found["runs_per_day"]["resets_at"].startswith(tomorrow)
        assert found["credits_per_month"]["resets_at"][8:10] == "01"

    @pytest.mark.both_stores
    async def test_only_the_days_asked_for_count(self, owner, used):
        found = await usage(owner, "from=2026-03-01&to=2026-03-03")

        assert found["runs"]["total"] == 3
        assert found["tokens"]["total"] == 1_500

    async def test_by_default_it_is_this_month_up_to_today(self, owner, clock):
        found = await usage(owner, "")

        assert found["from"] == today().replace(day=1).isoformat()
        assert found["to"] == today().isoformat()
        assert len(found["series"]) == today().day
        assert found["cost_complete"] is True

    @pytest.mark.both_stores
    async def test_runs_that_have_not_ended_are_in_the_total_of_a_period_with_today(
        self, owner, account, make
    ):
        pipeline_id = await make.pipeline(account)
        await make.run(account, pipeline_id, status=RunStatus.RUNNING)
        await make.run(account, pipeline_id, status=RunStatus.WAITING)
        other = await make.user()
        await make.run(other, await make.pipeline(other), status=RunStatus.WAITING)
        await make.usage(account, pipeline_id, today().isoformat(), runs=1, runs_completed=1)

        runs = (await usage(owner, ""))["runs"]
        earlier = (await usage(owner, f"to={today() - timedelta(days=1)}"))["runs"]

        assert runs == {"total": 3, "completed": 1, "failed": 0, "cancelled": 0, "unfinished": 2}
        assert earlier["total"] == 0

    async def test_credits_that_remain_are_this_months(self, login, make, clock):
        account = await make.user(plan="free")
        client = await login(account)
        await make.credits_spent(account, core_clock.now().strftime("%Y-%m"), 2_600)

        assert (await usage(client, "to=2020-01-31"))["credits"] == {"used": 0, "remaining": 98}
        assert (await client.get("/api/user/me")).json()["credits_remaining"] == 98
        await make.credits_spent(account, core_clock.now().strftime("%Y-%m"), 900_000)
        assert (await client.get("/api/user/me")).json()["credits_remaining"] == 0
        await make.credits_spent(account, "2020-01", 900_000)
        assert (await usage(client, ""))["credits"] == {"used": 0, "remaining": 100}

    async def test_an_instant_stands_for_its_day_of_utc(self, owner):
        found = await usage(owner, "from=2026-03-01T23:30:00-05:00&to=2026-03-03T01:00:00%2B02:00")

        assert (found["from"], found["to"]) == ("2026-03-02", "2026-03-02")

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("from=yesterday", "invalid_query"),
            ("from=2026-02-30", "invalid_query"),
            ("from=2026-W01-1", "invalid_query"),
            ("from=20260101", "invalid_query"),
            ("from=2026-W01-1T00:00:00Z", "invalid_query"),
            ("to=2026-02-01T00:00:00", "invalid_query"),
            ("to=0001-01-01T00:00:00%2B14:00", "invalid_query"),
            ("group_by=hour", "invalid_query"),
            ("from=2026-03-02&to=2026-03-01", "period_invalid"),
            ("from=2025-01-01&to=2026-01-02", "period_invalid"),
        ],
    )
    async def test_a_period_that_cannot_be_is_refused(self, owner, query, code):
        response = await owner.get(f"/api/user/usage?{query}")

        assert response.status_code == 422
        assert response.json()["code"] == code

    async def test_a_key_needs_the_scope(self, login_key, account):
        refused = await (await login_key(account, ["pipelines:read"])).get("/api/user/usage")
        allowed = await (await login_key(account, ["account:read"])).get("/api/user/usage")

        assert (refused.status_code, allowed.status_code) == (403, 200)

    async def test_nothing_of_others_is_in_it(self, login, stranger, used):
        found = await usage(await login(stranger), YEAR + "&group_by=pipeline")

        assert found["series"] == []
        assert found["runs"]["total"] == 0

    @pytest.mark.both_stores
    async def test_of_more_than_a_hundred_the_largest_are_listed(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        for number in range(102):
            await make.usage(
                account, pipeline_id, "2026-03-01", f"openai/{number}", input_tokens=number
            )

        found = await usage(owner, YEAR + "&group_by=model")

        assert [entry["tokens"] for entry in found["series"]] == list(range(101, 1, -1))
        assert found["series_complete"] is False


class TestCsv:
    @pytest.mark.parametrize(
        ("query", "accept"), [("&format=csv", "application/json"), ("", "text/csv, */*;q=0.1")]
    )
    async def test_it_has_the_series(self, owner, used, query, accept):
        path = f"/api/user/usage?{YEAR}&group_by=model{query}"
        response = await owner.get(path, headers={"Accept": accept})

        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["vary"] == "Accept"
        assert (
            'filename="usage-2026-01-01-2026-12-31.csv"' in response.headers["content-disposition"]
        )
        assert response.text.splitlines() == [
            "key,name,runs,tokens,cost_usd_micros,cost_complete",
            "openai/a,,7,4500,100,false",
            "local/b,,1,42,0,true",
        ]

    async def test_by_day_it_has_the_days(self, owner, used):
        response = await owner.get(
            f"/api/user/usage?{YEAR}&group_by=pipeline&by_day=true&format=csv"
        )

        lines = response.text.splitlines()
        assert lines[0] == "day,key,name,runs,tokens,cost_usd_micros,cost_complete"
        assert lines[1] == f"2026-03-01,{used[0]},Greeting,3,1500,70,true"
        assert len(lines) == 4

    async def test_json_can_be_asked_for(self, owner, used):
        response = await owner.get("/api/user/usage?format=json", headers={"Accept": "text/csv"})

        assert response.headers["content-type"] == "application/json"

    async def test_names_are_not_formulas(self, owner, account, make):
        source = GREETING.replace("Greeting", '"=HYPERLINK(1)"')
        pipeline_id = await make.pipeline(account, source=source)
        await make.usage(account, pipeline_id, "2026-03-01", runs=1)

        response = await owner.get(f"/api/user/usage?{YEAR}&group_by=pipeline&format=csv")

        assert ",'=HYPERLINK(1)," in response.text


class TestPeriod:
    def test_a_first_day_yet_to_come_is_a_period_of_its_own(self):
        first = today() + timedelta(days=3)

        assert service.period(first, None) == Period(first, first)

    def test_a_year_fits_and_a_day_more_does_not(self):
        first = date(2024, 1, 1)

        assert service.period(first, date(2024, 12, 31)).days == 366
        with pytest.raises(PeriodInvalid, match="at most 366 days"):
            service.period(first, date(2025, 1, 1))

    def test_the_end_of_time_is_no_trouble(self):
        assert service.period(None, date.max).days == 31


@pytest.mark.both_stores
@pytest.mark.new_store
class TestStatements:
    @pytest.mark.parametrize("group_by", GroupBy)
    async def test_they_read_the_days_of_one_workspace_by_the_primary_key(self, database, group_by):
        period = Period(date(2026, 1, 1), date(2026, 12, 31))
        totals = queries.totals_statement(uuid4(), period)
        for statement in (
            totals,
            queries.series_statement(uuid4(), period, group_by, limit=101),
            queries.daily_statement(uuid4(), period, group_by, [str(uuid4())]),
        ):
            plan = await query_plan(database, statement)

            is_total = statement is totals
            is_caller = group_by is GroupBy.CALLER and not is_total
            table = "usage_caller_days" if is_caller else "usage_days"
            if database.is_sqlite:
                assert (
                    f"SEARCH {table} USING INDEX sqlite_autoindex_{table}_1 (workspace_id=? AND day>? AND day<?)"
                    in plan
                )
                assert f"SCAN {table}" not in plan
            else:
                assert f"using pk_{table} on {table}" in plan
                assert "Index Cond: ((workspace_id = " in plan
                assert "Seq Scan" not in plan
