"""Reads the fields that lead to another step: cases with a `goto`, and how often it may lead backwards."""

from stepiq.language.reports import FieldReader
from stepiq.language.specs import Case, Jump, LimitAction

GOTO = "{goto: ID}"
"""What messages offer beside the words of `on_error` and `on_reject`."""
MAX_CASES = 50
LOOP_FIELDS = ("max_loops", "on_limit")
JUMP_FIELDS = ("goto", *LOOP_FIELDS)
MAX_LOOPS = 100
DEFAULT_LOOPS = 10


def read_case(fields: FieldReader, site: str, *, is_after: bool = False) -> Case | None:
    """`if` and `goto`, both required; `is_after` says that the expression sees what its own step did."""
    has_both = fields.require("if", "if: steps.review.output.score < 8") & fields.require(
        "goto", "goto: draft"
    )
    condition = fields.condition("if", is_after=is_after)
    jump = read_jump(fields, site)
    if not has_both or condition is None or jump is None:
        return None
    return Case(condition, jump)


def read_jump(fields: FieldReader, site: str) -> Jump | None:
    """`goto`, and beside it `max_loops` and `on_limit` where the mapping may have them."""
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
