"""How many failures a completed run passed over."""

import pytest

from tests.support.engine import World

FAILING = 'type: transform, template: "{{input.a.b}}"'


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        (f"- {{id: a, {FAILING}, on_error: continue}}", 1),
        (
            "- {id: all, type: parallel, for_each: '[1, 2, 3]', on_branch_error: continue, "
            f"step: {{id: each, {FAILING}}}}}",
            3,
        ),
        # The inner `parallel` fails only because its branch does.
        (
            "- {id: outer, type: parallel, on_branch_error: continue, steps: [{id: inner, type: parallel, "
            f"steps: [{{id: a, {FAILING}}}, {{id: b, type: transform, template: b}}]}}, "
            "{id: c, type: transform, template: c}]}",
            1,
        ),
        (
            f"- {{id: a, {FAILING}, if: 'input.a == null', on_error: continue, "
            "on_condition: [{if: 'true', goto: a, max_loops: 2, on_limit: next}]}",
            1,
        ),
        ("- {id: a, type: transform, template: a}", 0),
    ],
    ids=["on_error", "items", "nested", "repeated", "none"],
)
async def test_a_completed_run_counts_them(world: World, steps: str, count: int):
    text = f"name: P\ninput: {{schema: {{type: object}}}}\nsteps:\n  {steps}\n"

    ended = await world.run(text, {})

    assert ended.run.status == "completed"
    assert ended.run.failed_steps == count
