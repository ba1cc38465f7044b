"""`transform`: text made from a template, without a model."""

from stepiq.language.definition import StepType, TransformSpec
from stepiq.language.drafts import Fields
from stepiq.language.steps.kinds import StepKind

_LATER = frozenset({"extract", "regex", "set", "input"})


def _read(fields: Fields) -> TransformSpec | None:
    if fields.has("template") and fields.has("prompt"):
        fields.refuse(
            "prompt", "conflict", "`prompt` is another name of `template`. Keep one of the two."
        )
    name = "prompt" if fields.has("prompt") and not fields.has("template") else "template"
    if not any(fields.has(later) for later in _LATER):
        fields.require(name, "template: Hello {{input.name}}")
    template = fields.template(name)
    return None if template is None else TransformSpec(template)


KIND = StepKind(
    type=StepType.TRANSFORM,
    fields=frozenset({"template", "prompt"}),
    later=_LATER,
    read=_read,
)
