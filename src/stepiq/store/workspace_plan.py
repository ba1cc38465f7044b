"""The plan of a workspace, as every query reads it: its name, with the limits that an administrator has set.

`PLAN` is the one expression for it, and `execution.plans.Plans.get` resolves the result to limits. Wherever a plan is a
string, it can be a `WorkspacePlan`, so code that only shows or compares the name needs no change.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from stepiq.store.tables import workspaces


class WorkspacePlan(str):
    """The name of a plan, with limits of one workspace that replace those of the plan."""

    overrides: str
    """A JSON object of limits by name; empty if there are none."""

    def __new__(cls, name: str, overrides: str = "") -> "WorkspacePlan":
        plan = super().__new__(cls, name)
        plan.overrides = overrides
        return plan


class _PlanText(TypeDecorator[WorkspacePlan]):
    """Text that consists of the name of a plan, and of a JSON object if there are overrides."""

    impl = sa.Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> WorkspacePlan | None:
        if value is None:
            return None
        # The name of a plan has no brace.
        name, brace, rest = str(value).partition("{")
        return WorkspacePlan(name, brace + rest)


PLAN: sa.ColumnElement[WorkspacePlan] = sa.type_coerce(
    workspaces.c.plan + sa.func.coalesce(sa.type_coerce(workspaces.c.limit_overrides, sa.Text), ""),
    _PlanText(),
).label("plan")
"""The plan of a row of `workspaces`."""
