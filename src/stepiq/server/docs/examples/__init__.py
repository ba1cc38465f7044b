"""The examples of the OpenAPI document: one small pipeline with its runs, reviews, schedules and deliveries.

`samples` makes the other examples from their schemas. A test checks all of them against their schemas.
"""

from typing import Any, Final

from stepiq.server.docs.examples import accounts, pipelines, runs
from stepiq.server.docs.examples.accounts import DELIVERY, KEY, OPERATION, PIPELINE, RUN, SCHEDULE
from stepiq.server.docs.examples.pipelines import DEFINITION, DEFINITION_YAML

__all__ = ["DEFINITION", "DEFINITION_YAML", "PARAMETERS", "REQUESTS", "RESPONSES", "SHAPES"]

SHAPES: Final[dict[str, Any]] = accounts.SHAPES | pipelines.SHAPES | runs.SHAPES
"""An example of each shape."""

REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = pipelines.REQUESTS | runs.REQUESTS
"""Examples of bodies, by operation and media type, if there are several."""

RESPONSES: Final[dict[str, Any]] = runs.RESPONSES | {
    "200 GET /metrics": (
        "# TYPE stepiq_runs_ended_total counter\n"
        'stepiq_runs_ended_total{status="completed",trigger="api"} 11.0\n'
    ),
    "200 GET /api/schema/pipeline.json": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stepIQ pipeline",
        "type": "object",
        "properties": {"name": {"title": "Name", "type": "string"}},
        "required": ["name", "steps"],
    },
    "200 GET /api/schema/tests.json": {"title": "stepIQ tests", "type": "object"},
}
"""Examples of answers, by status and operation, if that of the shape does not fit."""

PARAMETERS: Final[dict[str, Any]] = {
    "pipeline_id": PIPELINE,
    "run_id": RUN,
    "step_id": "check",
    "operation_id": OPERATION,
    "schedule_id": SCHEDULE,
    "key_id": KEY,
    "delivery_id": DELIVERY,
    "secret": "BRIEFS_SECRET",
    "model_id": "openai/gpt-4o-mini",
    "number": 2,
    "other": 3,
    "If-Match": '"v3"',
    "If-None-Match": '"5f2c9a0b7d3e4c618a5b9c0d1e2f3a4b"',
    "Last-Event-ID": "4",
    "Idempotency-Key": "order-1017",
    "Accept": "application/yaml",
}
"""Examples of parameters, by name."""
