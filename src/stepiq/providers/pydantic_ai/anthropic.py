"""Client for Anthropic's Messages API.

Anthropic guarantees a part of JSON Schema: closed objects that list their fields. A schema with open objects, such as a
map of names to numbers, would become one that only `{}` fits. Such schemas are put in the prompt instead.
"""

import re
from typing import TYPE_CHECKING, Any, ClassVar, cast

from stepiq.providers import questions
from stepiq.providers.base import ModelRequest
from stepiq.providers.pydantic_ai import questions as library_questions
from stepiq.providers.pydantic_ai.connection import LibraryConnection
from stepiq.providers.pydantic_ai.questions import Question

Schema = dict[str, Any]

_REFERENCE = re.compile(r"#/\$defs/[^/]+")
_CONTENTS = {"object": ("properties", "required", "additionalProperties"), "array": ("items",)}


class _OutsideError(Exception):
    """A keyword that cannot be expressed in Anthropic's subset without changing the meaning of the schema."""


def guaranteed(schema: Schema) -> Schema | None:
    """The schema in Anthropic's subset; None if its meaning would change.

    Unsupported constraints, such as `maxLength`, move into descriptions, which does not guarantee them. Requires
    Anthropic's library.
    """
    from anthropic import transform_schema

    try:
        closed = transform_schema(_prepared(schema))
    except (_OutsideError, RecursionError):
        return None
    return closed if closed.get("type") == "object" else None


def _prepared(node: object) -> Schema:
    """One node in the form that the library's transformation supports."""
    if not isinstance(node, dict):
        raise _OutsideError
    kept = dict(cast(Schema, node))
    if _is_open(kept):
        raise _OutsideError
    if "$defs" in kept:
        kept["$defs"] = {name: _prepared(each) for name, each in kept["$defs"].items()}
    if "$ref" in kept:
        if not _REFERENCE.fullmatch(str(kept["$ref"])):
            raise _OutsideError
        return kept
    for keyword in ("anyOf", "oneOf"):
        if keyword in kept:
            kept.pop("type", None)
            return {**kept, keyword: [_prepared(each) for each in kept[keyword]]}
    if _is_choice(kept):
        return kept
    kind = kept.get("type")
    if isinstance(kind, list):
        return _one_of_types(kept, cast("list[str]", kind))
    return _with_children(kept, kind)


def _is_open(node: Schema) -> bool:
    """Whether closing its objects, or omitting unsupported combinations, would change its meaning."""
    if not {"allOf", "patternProperties", "prefixItems", "definitions"}.isdisjoint(node):
        return True
    is_union = "anyOf" in node or "oneOf" in node
    if is_union and not {"properties", "items"}.isdisjoint(node):
        return True
    return bool(node.get("additionalProperties", False))


def _is_choice(node: Schema) -> bool:
    values = node.get("enum", [node["const"]] if "const" in node else None)
    return isinstance(values, list) and all(
        value is None or isinstance(value, str | int | float)
        for value in cast("list[object]", values)
    )


def _one_of_types(node: Schema, kinds: list[str]) -> Schema:
    around = {name: node.pop(name) for name in ("description", "$defs") if name in node}
    return {**around, "anyOf": [_with_children({**node, "type": kind}, kind) for kind in kinds]}


def _with_children(node: Schema, kind: object) -> Schema:
    # Keywords of the other types do not apply to this one.
    foreign = {name for of, names in _CONTENTS.items() if of != kind for name in names}
    kept = {name: value for name, value in node.items() if name not in foreign}
    match kind:
        case "object" if "properties" in kept:
            fields: Schema = kept["properties"]
            if not fields.keys() >= set(kept.get("required", ())):
                raise _OutsideError
            return {**kept, "properties": {name: _prepared(each) for name, each in fields.items()}}
        case "array" if "items" in kept:
            return {**kept, "items": _prepared(kept["items"])}
        case "string" | "integer" | "number" | "boolean" | "null":
            return kept
        case _:
            raise _OutsideError


if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

_VERSION = "2023-06-01"
"""API version, sent with every request."""


class AnthropicConnection(LibraryConnection):
    """Connection to Anthropic, or to a gateway in front of it."""

    libraries: ClassVar[tuple[str, ...]] = (
        "anthropic.resources.beta.messages",
        "pydantic_ai.models.anthropic",
        "pydantic_ai.providers.anthropic",
    )
    listing_path = "/v1/models?limit=1000"
    fetches_files = True

    def credentials(self) -> dict[str, str]:
        key = self.endpoint.api_key
        return {"anthropic-version": _VERSION} | ({"x-api-key": key} if key else {})

    def build(self, name: str) -> "Model[Any]":
        from pydantic_ai import ModelProfile
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        # `ask` prepares the schema. The library would close open objects without a warning.
        return AnthropicModel(
            name,
            provider=AnthropicProvider(anthropic_client=self.client),
            profile=ModelProfile(json_schema_transformer=None),
        )

    def make_client(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(
            base_url=self.endpoint.base_url,
            # Without a key, the SDK searches for keys, tokens and profiles. `credentials` sets the sent headers.
            api_key=self.endpoint.api_key or "none",
            http_client=self.http,
            max_retries=0,
        )

    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        profile = cast("dict[str, Any]", model.profile)
        takes_temperature = not profile.get("anthropic_disallows_sampling_settings", False)
        # Anthropic requires `max_tokens`. If there is none, the library sends the model's maximum.
        settings = library_questions.settings(request, takes_temperature=takes_temperature)
        schema = request.json_schema
        if schema is None:
            messages = library_questions.turns(request, questions.object_in_words(request))
            return Question(messages, settings, library_questions.plain(request))
        if profile.get("supports_json_schema_output", False):
            shaped = _shaped(model, settings, request, schema)
            if shaped is not None:
                return Question(library_questions.turns(request), settings, shaped)
        messages = library_questions.turns(request, questions.fits(schema))
        return Question(messages, settings, library_questions.plain(request))


def _shaped(
    model: "Model[Any]", settings: "ModelSettings", request: ModelRequest, schema: dict[str, Any]
) -> "ModelRequestParameters | None":
    from pydantic_ai.exceptions import ModelRequestRejectedError

    closed = guaranteed(schema)
    if closed is None:
        return None
    shaped = library_questions.shaped(request, closed)
    try:
        # Checks Anthropic's limits on optional fields and unions, and rejects recursion.
        model.prepare_request(settings, shaped)
    except ModelRequestRejectedError:
        return None
    return shaped
