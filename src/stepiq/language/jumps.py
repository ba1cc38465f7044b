"""Reads jumps to another step: cases with a `goto`, and the limit of backward jumps."""

from stepiq.language.reports import FieldReader
from stepiq.language.specs import Case, Jump, LimitAction

GOTO = "{goto: ID}"
"""The alternative that messages suggest in addition to the words of `on_error` and `on_reject`."""
MAX_CASES = 50
LOOP_FIELDS = ("max_loops", "on_limit")
JUMP_FIELDS = ("goto", *LOOP_FIELDS)
MAX_LOOPS = 100
DEFAULT_LOOPS = 10


def read_case(fields: FieldReader, site: str, *, is_after: bool = False) -> Case | None:
    """Read `if` and `goto`, both required; with `is_after`, the expression can read the output of its own step."""
    has_both = fields.require("if", "if: steps.review.output.score < 8") & fields.require(
        "goto", "goto: draft"
    )
    condition = fields.condition("if", is_after=is_after)
    jump = read_jump(fields, site)
    if not has_both or condition is None or jump is None:
        return None
    return Case(condition, jump)


def read_jump(fields: FieldReader, site: str) -> Jump | None:
    """Read `goto`, and `max_loops` and `on_limit` where the mapping allows them."""
    target = fields.goto("goto")
    loops = fields.integer("max_loops", 1, MAX_LOOPS)
    on_limit = fields.choice("on_limit", [option.value for option in LimitAction])
    if target is None:
        return None
    return Jump(
        target,
        site,
        max_loops=DEFAULT_LOOPS if loops is None else loops,
        on_limit=LimitAction(on_limit or LimitAction.FAIL),
    )
