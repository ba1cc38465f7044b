import pytest

from stepiq.core.json import Json
from stepiq.language.templates import OverBudget, RenderMeter, Template, TemplateLimit
from stepiq.language.templates.meter import MAX_OPERATIONS, MAX_OUTPUT_BYTES, WorkMeter

LOOP = Template.compile("{{#each input.many}}{{#each @root.input.many}}x{{/each}}{{/each}}")


def context(count: int) -> dict[str, Json]:
    return {"input": {"many": list(range(count))}}


class TestBudget:
    def test_a_rendering_within_its_budget_is_done(self):
        assert LOOP.render(context(4), RenderMeter(budget=200)) == "x" * 16

    def test_a_rendering_beyond_its_budget_is_given_up(self):
        with pytest.raises(OverBudget):
            LOOP.render(context(4), RenderMeter(budget=20))

    def test_what_is_beyond_the_limit_at_once_is_no_matter_of_budgets(self):
        with pytest.raises(TemplateLimit, match="200,000 operations"):
            RenderMeter(budget=20).spend(MAX_OPERATIONS + 1)

    def test_work_of_any_kind_is_over_budget_at_its_limit(self):
        with pytest.raises(OverBudget):
            WorkMeter(20).spend(21)

    def test_no_budget_is_beyond_the_limit(self):
        with pytest.raises(TemplateLimit):
            LOOP.render(context(1_000), RenderMeter(budget=10**9))


class TestPause:
    def test_a_rendering_pauses_again_and_again(self):
        pauses: list[None] = []

        LOOP.render(context(100), RenderMeter(pause=lambda: pauses.append(None)))

        assert 50 < len(pauses) < 500

    def test_what_a_pause_raises_ends_the_rendering(self):
        def stop() -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            LOOP.render(context(100), RenderMeter(pause=stop))

    def test_pauses_forgive_nothing(self):
        with pytest.raises(TemplateLimit):
            LOOP.render(context(1_000), RenderMeter(pause=lambda: None))


class TestSharing:
    def test_renderings_with_one_meter_share_its_operations(self):
        meter = RenderMeter(budget=100)
        LOOP.render(context(4), meter)

        with pytest.raises(OverBudget):
            LOOP.render(context(4), meter)

    def test_renderings_with_one_meter_share_its_output(self):
        template, meter = Template.compile("{{input.long}}"), RenderMeter()
        data: dict[str, Json] = {"input": {"long": "x" * (MAX_OUTPUT_BYTES // 2)}}
        for _ in range(2):
            template.render(data, meter)

        with pytest.raises(TemplateLimit, match="1,048,576 bytes"):
            template.render({"input": {"long": "x"}}, meter)
