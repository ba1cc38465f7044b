"""Examples of pipelines, their versions, and models."""

import hashlib
from typing import Any, Final

from stepiq.server.docs.examples.accounts import ACCEPTED, CREATED, PIPELINE, RUN, USER

_PROMPT: Final = "Write three sentences on {{input.topic}}, in this language: {{input.language}}."

DEFINITION: Final[dict[str, Any]] = {
    "name": "Brief on a topic",
    "description": "Writes three sentences and sends them to a webhook.",
    "input": {
        "schema": {
            "topic": {"type": "string", "required": True},
            "language": {"type": "string", "default": "en"},
        }
    },
    "steps": [
        {
            "id": "brief",
            "name": "Write the brief",
            "model": "openai/gpt-4o-mini",
            "prompt": _PROMPT,
        }
    ],
    "output": {
        "deliver": [
            {
                "type": "webhook",
                "url": "https://hooks.example.com/briefs",
                "signing_secret_name": "BRIEFS_SECRET",
            }
        ]
    },
}

DEFINITION_YAML: Final = f"""\
name: Brief on a topic
description: Writes three sentences and sends them to a webhook.
input:
  schema:
    topic: {{type: string, required: true}}
    language: {{type: string, default: en}}
steps:
  - id: brief
    name: Write the brief
    model: openai/gpt-4o-mini
    prompt: "{_PROMPT}"
output:
  deliver:
    - type: webhook
      url: https://hooks.example.com/briefs
      signing_secret_name: BRIEFS_SECRET
"""

_SHORT: Final = {
    "name": "Hello",
    "steps": [{"id": "hello", "type": "transform", "template": "Hello"}],
}
_SHORT_YAML: Final = "name: Hello\nsteps:\n  - {id: hello, type: transform, template: Hello}\n"

_PIPELINE_SHOWN: Final[dict[str, Any]] = {
    "id": PIPELINE,
    "slug": "brief-on-a-topic",
    "name": "Brief on a topic",
    "description": "Writes three sentences and sends them to a webhook.",
    "definition": DEFINITION,
    "version": 3,
    "source_format": "yaml",
    "text_sha256": hashlib.sha256(DEFINITION_YAML.encode()).hexdigest(),
    "status": "active",
    "tags": ["marketing"],
    "last_run": {"id": RUN, "status": "completed", "created_at": ACCEPTED, "failed_steps": 0},
    "pause": None,
    "managed_by": None,
    "source": None,
    "created_at": CREATED,
    "updated_at": "2026-02-27T09:59:40.500Z",
}
_VERSION_SHOWN: Final[dict[str, Any]] = {
    "pipeline_id": PIPELINE,
    "version": 3,
    "source_format": "yaml",
    "created_by": USER,
    "created_at": "2026-02-27T09:59:40.500Z",
}

_ISSUE: Final[dict[str, Any]] = {
    "path": "steps[0].promt",
    "code": "unknown_field",
    "message": "Unknown field `promt`. Did you mean `prompt`?",
    "line": 10,
    "column": 5,
}
_CHANGE: Final[dict[str, Any]] = {
    "op": "replace",
    "path": "steps[0].model",
    "before": "openai/gpt-4o",
    "after": "openai/gpt-4o-mini",
}

SHAPES: Final[dict[str, Any]] = {
    "Archived": {"id": PIPELINE, "status": "archived", "deleted": True},
    "Change": _CHANGE,
    "Diff": {
        "before": 2,
        "after": 3,
        "text": f"""\
--- v2.yaml
+++ v3.yaml
@@ -7,7 +7,7 @@
 steps:
   - id: brief
     name: Write the brief
-    model: openai/gpt-4o
+    model: openai/gpt-4o-mini
     prompt: "{_PROMPT}"
 output:
   deliver:
""",
        "changes": [_CHANGE],
    },
    "Issue": _ISSUE,
    "Model": {
        "id": "openai/gpt-4o-mini",
        "name": "GPT-4o mini",
        "provider": "openai",
        "context_window": 128_000,
        "max_output_tokens": 16_384,
        "input_usd_per_million": 0.15,
        "cached_input_usd_per_million": 0.075,
        "output_usd_per_million": 0.6,
        "capabilities": ["json", "streaming", "tools", "vision"],
        "usable": True,
        "reason": None,
    },
    "PauseRequest": {"reason": "The supplier changes its prices."},
    "PipelinePatch": {"name": "Brief on a topic", "tags": ["marketing"]},
    "Pipeline": _PIPELINE_SHOWN,
    "Provider": {
        "id": "openai",
        "name": "OpenAI",
        "usable": True,
        "source": "server_key",
        "reason": None,
        "models": ["openai/gpt-4o", "openai/gpt-4o-mini"],
    },
    "SavedPipeline": _PIPELINE_SHOWN | {"warnings": []},
    "Validation": {
        "valid": False,
        "errors": [_ISSUE],
        "warnings": [],
    },
    "ListedPipeline": _PIPELINE_SHOWN
    | {
        "definition": None,
        "stats": {
            "days": [f"2026-02-{day}" for day in range(21, 28)],
            "runs": [4, 6, 5, 0, 0, 7, 3],
            "completed": 23,
            "failed": 1,
            "cancelled": 1,
            "success_rate": 0.9583,
            "cost_usd_micros": 525,
            "cost_complete": True,
            "next_run_at": "2026-02-28T09:00:00.000Z",
        },
    },
    "ListedVersion": _VERSION_SHOWN
    | {
        "author": {"id": USER, "name": "Ada", "email": "ada@example.com"},
        "runs": 25,
        "runs_complete": True,
    },
    "Version": _VERSION_SHOWN | {"definition": _SHORT, "text": _SHORT_YAML},
}

_DEFINITIONS: Final[dict[str, dict[str, Any]]] = {
    "application/json": {
        "definition": {"summary": "The definition alone", "value": DEFINITION},
        "with_tags": {
            "summary": "A definition with tags and a slug",
            "value": {"tags": ["marketing"], "slug": "brief", "definition": _SHORT},
        },
        "with_text": {
            "summary": "The text of a file, stored byte for byte, with a slug",
            "value": {"slug": "hello", "text": _SHORT_YAML},
        },
    },
    "application/yaml": {
        "definition": {
            "summary": "The definition as YAML, stored with its comments",
            "value": DEFINITION_YAML,
        }
    },
}

REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "POST /api/pipelines": _DEFINITIONS,
    "POST /api/pipelines/validate": _DEFINITIONS,
    "PUT /api/pipelines/{pipeline_id}": _DEFINITIONS,
}
