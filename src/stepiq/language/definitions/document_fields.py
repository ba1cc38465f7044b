"""The fields of a document."""

import re
from dataclasses import dataclass

from stepiq.language.data import kind_of
from stepiq.language.definitions.compiled import Scalar
from stepiq.language.definitions.delivery_fields import deliver, notifications
from stepiq.language.definitions.input_fields import input_field
from stepiq.language.definitions.inputs import InputSchema
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_fields import MAX_STEPS, read_steps
from stepiq.language.definitions.targets import (
    CRON_NAMES,
    DeliveryTarget,
    InboundWebhook,
    NotificationTarget,
    ScheduleSpec,
)
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.description import (
    Field,
    FieldObject,
    computed,
    integer,
    matching,
    object_of,
    text,
)
from stepiq.language.fields.reader import ID_PATTERN, ID_RULE, FieldReader
from stepiq.language.fields.schema import Node, reference

MAX_SECONDS = 30 * 86_400
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
_SCALAR: Node = {"type": ["string", "number", "boolean", "null"]}


@dataclass(frozen=True, slots=True)
class OutputFields(FieldObject):
    """`output`."""

    words = ("Output", "The output of a run, and where it is sent.")

    step_id: str | None = (
        text(
            "From",
            "Id of the step whose output is the output of the run. Default: the last step that ran.",
            minimum=0,
            maximum=64,
        )
        .shown(matching(ID_PATTERN, ID_RULE))
        .optional(name="from")
    )
    """Whether the step exists is not checked here."""
    deliver: tuple[DeliveryTarget, ...] = deliver().default(())


@dataclass(frozen=True, slots=True)
class NotificationFields(FieldObject):
    """`notifications`."""

    words = ("Notifications", "Where a message about the end of a run is sent.")

    on_success: tuple[NotificationTarget, ...] = notifications("completed").default(())
    on_failure: tuple[NotificationTarget, ...] = notifications("failed").default(())


_NAME = text("Name", "The name of the pipeline.", maximum=200)
_CRON_RULE: Node = {
    "if": {
        "type": "object",
        "properties": {"enabled": {"enum": [True, None], "doNotSuggest": True}},
    },
    "then": {
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string"}}} for name in CRON_NAMES
        ]
    },
}


def _read_name(reader: FieldReader) -> str:
    found = _NAME.read(reader, "name") if reader.require("name", "name: Daily digest") else None
    return found or ""


def _read_version(reader: FieldReader, name: str) -> int | None:
    version = reader.raw(name)
    if version == 1 and not isinstance(version, bool):
        return 1
    message = "`version` is the version of the pipeline language and must be 1. Remove the field."
    reader.refuse(name, "not_allowed", message)
    return None


def _read_variables(reader: FieldReader, field: str) -> dict[str, Scalar]:
    found = reader.mapping(field) or {}
    inner = FieldReader(reader.draft, (*reader.path, field), found, found)
    variables: dict[str, Scalar] = {}
    for name, value in found.items():
        if reader.draft.is_full:
            break
        if isinstance(value, dict | list):
            message = f"A variable must be a string, a number or a boolean; `{name[:60]}` is {kind_of(value)}."
            inner.refuse(name, "wrong_type", message)
        else:
            variables[name] = value
        if not re.fullmatch(_VARIABLE, name):
            message = (
                f"`{name[:60]}` is not a valid name of a variable. Use up to 100 letters, digits and _, "
                "not starting with a digit."
            )
            inner.refuse(name, "invalid_format", message)
    return variables


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFields(FieldObject):
    """A document."""

    words = ("stepIQ pipeline", "A pipeline: a name, and steps that pass data to each other.")

    name: str = computed(_read_name, {"name": _NAME.node}, ["name"])
    """Empty if it is missing or invalid."""
    description: str = text(
        "Description", "What the pipeline is for.", minimum=0, maximum=2_000
    ).default("", shown=None)
    version: int | None = Field(
        integer("Version", "Version of the language. 1 is the only one.", 1, 1).node, _read_version
    ).default(None, shown=1)
    variables: dict[str, Scalar] = Field(
        nodes.by_name(
            "Variables",
            "Texts, numbers and booleans by name. Read them as `vars.NAME`.",
            _VARIABLE,
            _SCALAR,
        ),
        _read_variables,
    ).default(dict[str, Scalar]())
    input: InputSchema = input_field().default(InputSchema())
    steps: tuple[Step, ...] = computed(
        read_steps,
        {
            "steps": nodes.array(
                "Steps",
                "The steps of the pipeline. They run in this order, except for jumps.",
                reference("step"),
                1,
                MAX_STEPS,
            )
        },
        ["steps"],
    )
    """The valid ones."""
    seconds: int | None = integer(
        "Time limit",
        "Maximum time of the whole run in seconds, including waits. At most 30 days. Default: 86,400 (one day), or "
        "30 days if the pipeline has a `human_review` or a `wait`.",
        1,
        MAX_SECONDS,
    ).optional(name="timeout_seconds")
    output: OutputFields = object_of(OutputFields).default(OutputFields())
    notifications: NotificationFields = object_of(NotificationFields).default(NotificationFields())
    schedule: ScheduleSpec | None = object_of(ScheduleSpec).shown(_CRON_RULE).optional()
    webhook: InboundWebhook = object_of(InboundWebhook).default(InboundWebhook())
