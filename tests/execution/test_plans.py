import pytest

from stepiq.billing.errors import (
    PlanCronDisabled,
    PlanPipelinesExceeded,
    PlanStepsExceeded,
    PlanWebhooksDisabled,
)
from stepiq.billing.service import require_cron, require_pipelines, require_steps, require_webhooks
from stepiq.execution.limits.plans import Plans, PlansInvalid, UnknownPlan
from stepiq.execution.limits.quotas import Quota


class TestLoad:
    def test_the_plans_that_come_with_the_server_are_those_of_the_docs(self):
        plans = Plans.load({})

        assert plans.names() == ["unlimited", "free", "starter", "pro", "enterprise"]
        assert plans.get("free").limits == {
            "credits_per_month": 100,
            "runs_per_day": 10,
            "pipelines": 3,
            "steps": 5,
            "cron": False,
            "webhooks": False,
            "agent_turns": 3,
            "agent_seconds": 120,
            "agent_tool_calls": 1,
            "requests_per_minute": 60,
            "runs_at_once": 2,
            "runs_queued": 20,
            "api_keys": 5,
            "workspace_requests_per_minute": 120,
            "versions": 200,
            "definition_bytes": 10_000_000,
            "drafts": 20,
            "schedules": 3,
            "emails_per_day": 20,
            "redeliveries_per_day": 20,
        }
        assert plans.get("enterprise").runs_queued is None
        assert set(plans.get("unlimited").limits.values()) == {None, True}

    def test_an_override_changes_what_it_names_and_nothing_else(self):
        plans = Plans.load({"pro": {"steps": 40, "runs_per_day": "unlimited"}})

        assert plans.get("pro").steps == 40
        assert plans.get("pro").runs_per_day is None
        assert plans.get("pro").runs_at_once == 20
        assert plans.get("free").steps == 5

    def test_a_new_plan_may_extend_another_which_may_itself_be_overridden(self):
        plans = Plans.load(
            {"team": {"extends": "pro", "runs_at_once": 50}, "pro": {"runs_queued": 7}}
        )

        assert plans.get("team").name == "team"
        assert plans.get("team").runs_at_once == 50
        assert plans.get("team").runs_queued == 7

    def test_a_complete_new_plan_needs_no_other(self):
        limits = {**Plans.load({}).get("free").limits, "steps": 6}

        plans = Plans.load({"tiny": limits})

        assert plans.get("tiny").steps == 6

    @pytest.mark.parametrize(
        ("table", "path", "said"),
        [
            ({"step": 4}, "plans.pro.step", "Unknown limit. Did you mean `steps`?"),
            ({"credits": 4}, "plans.pro.credits", "Did you mean `credits_per_month`?"),
            ({"colour": 4}, "plans.pro.colour", "Use one of `agent_seconds`, "),
            ({"steps": -1}, "plans.pro.steps", "1 or more"),
            ({"steps": 0}, "plans.pro.steps", "1 or more"),
            ({"runs_queued": -1}, "plans.pro.runs_queued", "0 or more"),
            ({"steps": True}, "plans.pro.steps", "1 or more"),
            ({"steps": 10**12 + 1}, "plans.pro.steps", '1,000,000,000,000 or less, or "unlimited"'),
            ({"steps": "many"}, "plans.pro.steps", '"unlimited"'),
            ({"cron": 1}, "plans.pro.cron", "true or false"),
            ({"webhooks": "unlimited"}, "plans.pro.webhooks", "true or false"),
            ({"extends": "gold"}, "plans.pro.extends", "enterprise, free, pro, starter, unlimited"),
            ({"extends": 3}, "plans.pro.extends", "existing plan"),
        ],
    )
    def test_a_bad_limit_is_named_with_what_it_should_be(self, table, path, said):
        with pytest.raises(PlansInvalid) as caught:
            Plans.load({"pro": table})

        (issue,) = caught.value.issues
        assert issue.path == path
        assert said in issue.message
        assert path in caught.value.message

    def test_everything_wrong_is_said_at_once(self):
        with pytest.raises(PlansInvalid) as caught:
            Plans.load({"pro": {"steps": -1, "x": 1}, "Gold Plan": {}})

        assert len(caught.value.issues) == 3

    def test_a_new_plan_that_misses_limits_is_refused_with_the_way_out(self):
        with pytest.raises(PlansInvalid) as caught:
            Plans.load({"team": {"steps": 4}})

        assert "runs_at_once" in caught.value.message
        assert 'extends = "pro"' in caught.value.message

    def test_a_new_plan_without_quotas_has_none(self):
        limits = Plans.load({}).get("free").limits
        quotas = [*Quota, "workspace_requests_per_minute"]
        earlier = {key: value for key, value in limits.items() if key not in quotas}

        plan = Plans.load({"team": earlier}).get("team")

        assert {plan.limits[quota] for quota in quotas} == {None}

    def test_plans_that_extend_each_other_are_refused(self):
        with pytest.raises(PlansInvalid, match="a > b > a"):
            Plans.load({"a": {"extends": "b"}, "b": {"extends": "a"}})


class TestGet:
    def test_a_plan_that_is_gone_counts_as_free(self):
        assert Plans.load({}).get("gold").name == "free"


class TestRequire:
    def test_an_unknown_plan_is_refused_with_those_that_there_are(self):
        with pytest.raises(UnknownPlan, match="unlimited, free, starter, pro, enterprise"):
            Plans.load({}).require("gold")


class TestRequireSteps:
    def test_as_many_steps_as_the_plan_allows_pass(self):
        require_steps(Plans.load({}).get("free"), 5)

    def test_one_more_is_refused_and_the_error_says_how_to_raise_the_limit(self):
        with pytest.raises(PlanStepsExceeded) as caught:
            require_steps(Plans.load({}).get("free"), 6)

        assert "allows 5 steps" in caught.value.message
        assert "stepiq workspaces limits ID" in caught.value.message
        assert "[plans.free]" in caught.value.message

    def test_an_unlimited_plan_takes_any_number(self):
        require_steps(Plans.load({"free": {"steps": "unlimited"}}).get("free"), 1000)


class TestRequireWebhooks:
    def test_the_free_plan_has_none(self):
        with pytest.raises(PlanWebhooksDisabled, match="webhooks = true"):
            require_webhooks(Plans.load({}).get("free"))

    def test_the_others_have(self):
        for name in ("starter", "pro", "enterprise"):
            require_webhooks(Plans.load({}).get(name))


class TestRequireCron:
    def test_a_plan_with_schedules_lets_them_through(self):
        require_cron(Plans.load({}).get("starter"))

    def test_a_plan_without_any_says_how_to_get_them(self):
        with pytest.raises(
            PlanCronDisabled, match=r"`free`.*cron = false.*workspaces limits.*cron = true"
        ):
            require_cron(Plans.load({}).get("free"))


class TestRequirePipelines:
    def test_the_last_one_that_the_plan_allows_may_be_added(self):
        require_pipelines(Plans.load({}).get("free"), 2)

    def test_one_more_is_refused_with_the_limit(self):
        with pytest.raises(PlanPipelinesExceeded, match=r"allows 3 active.*pipelines = 4"):
            require_pipelines(Plans.load({}).get("free"), 3)

    def test_without_a_limit_there_is_always_room(self):
        require_pipelines(Plans.load({}).get("pro"), 10_000)
