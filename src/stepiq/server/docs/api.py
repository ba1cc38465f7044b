"""`/docs`: every route of the OpenAPI document, with its parameters, bodies, examples and errors."""

import json
import re
from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from typing import Any, cast

from stepiq.server.docs.components import ANY_ERROR, expand
from stepiq.server.docs.html import inline, page, paragraphs, table
from stepiq.server.docs.samples import Schema, resolve
from stepiq.web.problems import MEDIA_TYPE

Operation = dict[str, Any]

_BOUNDS = (
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minimum", "maximum", ""),
)
_HEAD = (
    '<ul><li><a href="/docs/errors">Errors</a></li><li><a href="/docs/steps">Step types</a></li><li><a href="/openapi.json">openapi.json</a></li>'
    '<li><a href="#headers">Headers</a></li><li><a href="#shapes">Shapes</a></li></ul>'
)


def render(document: dict[str, Any], base_url: str) -> str:
    """The whole page.

    Args:
        document: the OpenAPI document.
        base_url: of this server, for the examples.
    """
    components: Operation = document["components"]
    shapes: dict[str, Schema] = components["schemas"]
    by_tag: dict[str, list[tuple[str, str, Operation]]] = {
        str(tag["name"]): [] for tag in document["tags"]
    }
    for path, operations in expand(document["paths"], components).items():
        for method, operation in operations.items():
            by_tag[operation["tags"][0]].append((method.upper(), path, operation))
    content = f"<h1>stepIQ API {escape(str(document['info']['version']))}</h1>"
    content += paragraphs(document["info"]["description"]) + _credentials(base_url)
    links = ""
    for tag, found in by_tag.items():
        content += f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>'
        entries = ""
        for method, path, operation in found:
            content += _operation(method, path, operation, shapes, base_url)
            entries += f'<li><a href="#{_id(method, path)}">{_method(method)}<span>{_breaking(path.removeprefix("/api"))}</span></a></li>'
        links += f'<strong><a href="#{_anchor(tag)}">{escape(tag)}</a></strong><ul class="entries">{entries}</ul>'
    content += _common(components)
    content += '<h2 id="shapes">Shapes</h2>' + "".join(_shapes(shapes))
    return page("API", _HEAD + links, content)


def _common(components: Operation) -> str:
    """The headers and errors that all routes share."""
    named = [
        (f"<code>{escape(name)}</code>", inline(header["description"]))
        for name, header in components["headers"].items()
    ]
    errors = [*_error_rows(expand(components["responses"][ANY_ERROR], components))]
    return (
        f'<h2 id="headers">Response headers</h2>{table(("header", "means"), named)}'
        f'<h2 id="anywhere">Errors of any route</h2>{table(("status", "code", "means"), errors)}'
    )


def _credentials(base_url: str) -> str:
    return paragraphs(
        "Send a credential in one of two headers: `Authorization: Bearer TOKEN` with the access token of a login, or `X-API-Key: "
        "sk_live_…`. Each route lists the scope that an API key needs, or that it does not accept API keys."
    ) + (f"<pre>curl {escape(base_url)}/api/pipelines -H 'X-API-Key: sk_live_…'</pre>")


def _operation(
    method: str, path: str, operation: Operation, shapes: dict[str, Schema], base_url: str
) -> str:
    parameters = [
        (f"<code>{escape(each['name'])}</code>", f"{_typed(each['schema'], bool(each.get('required')))}, {escape(each['in'])}", inline(each.get("description", "")))
        for each in operation.get("parameters", ())
    ]  # fmt: skip
    parts = [
        f'<article id="{_id(method, path)}">',
        f'<h3>{_method(method)} <code>{escape(path)}</code> <a class="anchor" href="#{_id(method, path)}" aria-label="Link to {method} {escape(path)}">#</a></h3>',
        paragraphs(operation.get("description", operation.get("summary", ""))),
        _access(operation),
        "<h4>Parameters</h4>" if parameters else "",
        table(("name", "type", "means"), parameters),
        *_request(operation, shapes),
        f"<h4>Example</h4><pre>{escape(_curl(method, path, operation, base_url))}</pre>",
        *_answers(operation, shapes),
        _errors(operation),
        "</article>",
    ]
    return "".join(parts)


def _access(operation: Operation) -> str:
    security: list[dict[str, list[str]]] = operation.get("security", [])
    if not security:
        return '<p class="dim">Needs no credential.</p>'
    ways = {name: scopes for each in security for name, scopes in each.items()}
    if "api_key" not in ways:
        return '<p class="dim">Needs the access token of a login. API keys are not accepted.</p>'
    scopes = ", ".join(f"<code>{escape(scope)}</code>" for scope in ways["api_key"])
    needs = f" An API key needs the scope {scopes}." if scopes else ""
    only = "" if "bearer" in ways else " Accepts API keys only."
    return f'<p class="dim">Needs a credential.{needs}{only}</p>'


def _request(operation: Operation, shapes: dict[str, Schema]) -> Iterator[str]:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        yield f"<h4>Body <code>{escape(media_type)}</code></h4>"
        schema = resolve(body.get("schema", {}), shapes)
        yield _fields(schema, shapes) or paragraphs(schema.get("description", ""))
        yield from _examples(body)


def _answers(operation: Operation, shapes: dict[str, Schema]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if not status.startswith("2") and not status.startswith("3"):
            continue
        phrase, description = HTTPStatus(int(status)).phrase, str(response["description"])
        yield f"<h4>{escape(status)} {escape(phrase)}</h4>{'' if description == phrase else paragraphs(description)}"
        for media_type, body in response.get("content", {}).items():
            schema: Schema = body["schema"]
            is_named = any(name in schema for name in ("$ref", "anyOf", "contentSchema"))
            shape = _type(schema) if is_named else ""
            yield f"<p><code>{escape(media_type)}</code> {shape}</p>"
            yield from _examples(body)
        yield _headers(response)


def _headers(response: Operation) -> str:
    names = ["X-Request-ID", *response.get("headers", {})]
    shown = ", ".join(f"<code>{escape(name)}</code>" for name in names)
    return f'<p class="dim"><a href="#headers">Headers</a>: {shown}</p>'


def _examples(body: Operation) -> Iterator[str]:
    for summary, value in _named_examples(body):
        shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        title = f"Example: {summary}" if summary else "Example"
        yield f"<details><summary>{inline(title)}</summary><pre>{escape(shown)}</pre></details>"


def _named_examples(body: Operation) -> Iterator[tuple[str, Any]]:
    for example in cast(dict[str, Any], body.get("examples", {})).values():
        yield example.get("summary", ""), example["value"]


def _errors(operation: Operation) -> str:
    rows = [row for response in operation["responses"].values() for row in _error_rows(response)]
    shown = table(("status", "code", "means"), rows)
    anywhere = '<p>See also <a href="#anywhere">errors of any route</a>.</p>'
    return f"<details><summary>Errors</summary>{shown}{anywhere}</details>"


def _error_rows(response: Operation) -> Iterator[tuple[str, str, str]]:
    examples: dict[str, Any] = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    for code, example in examples.items():
        link = f'<a href="/docs/errors#{escape(code)}"><code>{escape(code)}</code></a>'
        yield str(example["value"]["status"]), link, inline(example["value"]["detail"])


def _curl(method: str, path: str, operation: Operation, base_url: str) -> str:
    # Without -N, curl buffers the events of a stream.
    is_stream = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    option = f"-X {method} " if method != "GET" else "-N " if is_stream else ""
    lines = [f"curl {option}{base_url}{path}"]
    if security := operation.get("security"):
        is_key = any("api_key" in each for each in security)
        lines.append("-H 'X-API-Key: sk_live_…'" if is_key else '-H "Authorization: Bearer $TOKEN"')
    content = operation.get("requestBody", {}).get("content", {})
    if body := content.get("application/json"):
        lines.append("-H 'Content-Type: application/json'")
        _, example = next(_named_examples(body))
        value = json.dumps(example, ensure_ascii=False).replace("'", "'\\''")
        lines.append(f"-d '{value}'")
    return " \\\n  ".join(lines)


def _shapes(shapes: dict[str, Schema]) -> Iterator[str]:
    for name, schema in sorted(shapes.items()):
        yield f'<article id="shape-{escape(name)}"><h3>{escape(name)}</h3>'
        yield paragraphs(schema.get("description", ""))
        values = ", ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", ()))
        if "oneOf" in schema:
            yield f"<p>{_type(schema)}</p>"
        else:
            yield f"<p>{values}</p>" if values else _fields(schema, shapes)
        yield "</article>"


def _fields(schema: Schema, shapes: dict[str, Schema]) -> str:
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return "".join(_fields(resolve(each, shapes), shapes) for each in schema[name])
    required = schema.get("required", ())
    rows: list[tuple[str, ...]] = [
        (f"<code>{escape(name)}</code>", _typed(field, name in required), inline(field.get("description", "")))
        for name, field in schema.get("properties", {}).items()
    ]  # fmt: skip
    return table(("field", "type", "means"), rows)


def _typed(schema: Schema, is_required: bool) -> str:
    """A type with its bounds, and whether it is required."""
    parts = [_type(schema), *map(escape, _bounds(schema))]
    return ", ".join([*parts, "<strong>required</strong>"] if is_required else parts)


def _bounds(schema: Schema) -> Iterator[str]:
    for inner in schema.get("anyOf", ()):
        yield from _bounds(inner)
    for least, most, unit in _BOUNDS:
        if least in schema or most in schema:
            ends = [f"{schema[end]:,.0f}" for end in (least, most) if end in schema]
            words = " to " if len(ends) == 2 else "at least " if least in schema else "at most "
            yield (words.join(ends) if len(ends) == 2 else words + ends[0]) + unit
    if "enum" in schema:
        yield "one of " + ", ".join(str(each) for each in schema["enum"])
    if "const" in schema:
        yield f"always {schema['const']}"
    if schema.get("default") not in (None, ""):
        yield f"default {json.dumps(schema['default'])}"


def _type(schema: Schema) -> str:
    if reference := schema.get("$ref"):
        name = escape(str(reference).rpartition("/")[2])
        shown = re.sub(r"^(.+)Page$", r"page of \1", name)
        return f'<a href="#shape-{name}">{shown}</a>'
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return " | ".join(dict.fromkeys(_type(each) for each in schema[name]))
    if isinstance(schema.get("type"), list):
        # A format concerns texts and numbers, not null.
        return " | ".join(
            "null" if kind == "null" else _type({**schema, "type": kind})
            for kind in cast(list[str], schema["type"])
        )
    if content := schema.get("contentSchema"):
        return _type(content)
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "any"))


def _breaking(path: str) -> str:
    return escape(path).replace("/", "<wbr>/")


def _method(method: str) -> str:
    return f'<span class="method {method.lower()}">{method}</span>'


def _id(method: str, path: str) -> str:
    return escape(f"{method.lower()}{path}".replace("/", "-").replace("{", "").replace("}", ""))


def _anchor(tag: str) -> str:
    return "tag-" + escape(tag.lower().replace(" ", "-"))
