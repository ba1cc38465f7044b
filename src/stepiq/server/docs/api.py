"""`/docs`: every route of the OpenAPI document, with its parameters, bodies, examples and errors."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, cast

from stepiq.server.docs.html import inline, page, paragraphs, table
from stepiq.server.docs.samples import Schema, resolve, sample
from stepiq.web.problems import MEDIA_TYPE

Operation = dict[str, Any]

_BODIES = ("application/json", "application/yaml")


def render(document: dict[str, Any], base_url: str) -> str:
    """The whole page.

    Args:
        document: the OpenAPI document.
        base_url: of this server, for the examples.
    """
    shapes: dict[str, Schema] = document["components"]["schemas"]
    by_tag: dict[str, list[tuple[str, str, Operation]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = str((operation.get("tags") or ["Other"])[0])
            by_tag.setdefault(tag, []).append((method.upper(), path, operation))
    content = f"<h1>stepIQ API {escape(str(document['info']['version']))}</h1>"
    content += paragraphs(document["info"]["description"]) + _credentials(base_url)
    links = ""
    for tag in sorted(by_tag):
        content += f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>'
        entries = ""
        for method, path, operation in by_tag[tag]:
            content += _operation(method, path, operation, shapes, base_url)
            entries += f'<li><a href="#{_id(method, path)}"><span class="method">{method}</span>{escape(path.removeprefix("/api"))}</a></li>'
        links += f'<strong><a href="#{_anchor(tag)}">{escape(tag)}</a></strong><ul>{entries}</ul>'
    content += '<h2 id="shapes">Shapes</h2>' + "".join(_shapes(shapes))
    head = '<ul><li><a href="/docs/errors">Errors</a></li><li><a href="/openapi.json">openapi.json</a></li><li><a href="#shapes">Shapes</a></li></ul>'
    return page("API", head + links, content)


def _credentials(base_url: str) -> str:
    return paragraphs(
        "A call shows a credential in one of two headers: `Authorization: Bearer TOKEN` with the token of a login, or `X-API-Key: "
        "sk_live_…`. Where an API key needs a scope, or none will do, the route says so."
    ) + (f"<pre>curl {escape(base_url)}/api/pipelines -H 'X-API-Key: sk_live_…'</pre>")


def _operation(
    method: str, path: str, operation: Operation, shapes: dict[str, Schema], base_url: str
) -> str:
    parameters = [
        (f"<code>{escape(each['name'])}</code>", escape(each["in"]), _type(each.get("schema", {})), "yes" if each.get("required") else "", inline(each.get("description", "")))
        for each in operation.get("parameters", ())
    ]  # fmt: skip
    parts = [
        f'<article id="{_id(method, path)}">',
        f'<h3><span class="method">{method}</span> <code>{escape(path)}</code></h3>',
        paragraphs(operation.get("description", operation.get("summary", ""))),
        _access(operation),
        "<h4>Parameters</h4>" if parameters else "",
        table(("name", "in", "type", "required", "means"), parameters),
        *_request(operation, shapes),
        f"<pre>{escape(_curl(method, path, operation, shapes, base_url))}</pre>",
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
        return '<p class="dim">Needs the token of a login; no API key will do.</p>'
    scopes = ", ".join(f"<code>{escape(scope)}</code>" for scope in ways["api_key"])
    needs = f" An API key needs the scope {scopes}." if scopes else ""
    only = "" if "bearer" in ways else " Takes an API key only."
    return f'<p class="dim">Needs a credential.{needs}{only}</p>'


def _request(operation: Operation, shapes: dict[str, Schema]) -> Iterator[str]:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        yield f"<h4>Body <code>{escape(media_type)}</code></h4>"
        schema = resolve(body.get("schema", {}), shapes)
        yield _fields(schema, shapes) or paragraphs(schema.get("description", ""))


def _answers(operation: Operation, shapes: dict[str, Schema]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if status >= "400":
            continue
        yield f"<h4>{escape(status)} {inline(response.get('description', ''))}</h4>"
        for media_type, body in response.get("content", {}).items():
            schema: Schema = body.get("schema", {})
            if media_type not in _BODIES:
                yield f"<p><code>{escape(media_type)}</code></p>"
                continue
            yield f"<p>{_type(schema)}</p>"
            shown = json.dumps(_example(body, shapes), indent=2, ensure_ascii=False)
            yield f"<details><summary>Example</summary><pre>{escape(shown)}</pre></details>"


def _errors(operation: Operation) -> str:
    rows: list[tuple[str, ...]] = []
    for status, response in operation["responses"].items():
        examples = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        for code, example in examples.items():
            link = f'<a href="/docs/errors#{escape(code)}"><code>{escape(code)}</code></a>'
            rows.append((escape(status), link, inline(example.get("summary", ""))))
    shown = table(("status", "code", "means"), rows)
    return f"<details><summary>Errors</summary>{shown}</details>" if rows else ""


def _curl(
    method: str, path: str, operation: Operation, shapes: dict[str, Schema], base_url: str
) -> str:
    lines = [f"curl {base_url}{path}" if method == "GET" else f"curl -X {method} {base_url}{path}"]
    if security := operation.get("security"):
        is_key = any("api_key" in each for each in security)
        lines.append("-H 'X-API-Key: sk_live_…'" if is_key else '-H "Authorization: Bearer $TOKEN"')
    content = operation.get("requestBody", {}).get("content", {})
    if body := content.get("application/json"):
        lines.append("-H 'Content-Type: application/json'")
        value = json.dumps(_example(body, shapes), ensure_ascii=False).replace("'", "'\\''")
        lines.append(f"-d '{value}'")
    return " \\\n  ".join(lines)


def _example(body: dict[str, Any], shapes: dict[str, Schema]) -> Any:
    if "example" in body:
        return body["example"]
    for example in cast(dict[str, Any], body.get("examples", {})).values():
        return example.get("value")
    return sample(body.get("schema", {}), shapes)


def _shapes(shapes: dict[str, Schema]) -> Iterator[str]:
    for name, schema in sorted(shapes.items()):
        yield f'<article id="shape-{escape(name)}"><h3>{escape(name)}</h3>'
        yield paragraphs(schema.get("description", ""))
        values = ", ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", ()))
        yield f"<p>{values}</p>" if values else _fields(schema, shapes)
        yield "</article>"


def _fields(schema: Schema, shapes: dict[str, Schema]) -> str:
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return "".join(_fields(resolve(each, shapes), shapes) for each in schema[name])
    required = schema.get("required", ())
    rows: list[tuple[str, ...]] = [
        (f"<code>{escape(name)}</code>", _type(field), "yes" if name in required else "", inline(field.get("description", "")))
        for name, field in schema.get("properties", {}).items()
    ]  # fmt: skip
    return table(("field", "type", "required", "means"), rows)


def _type(schema: Schema) -> str:
    if reference := schema.get("$ref"):
        name = escape(str(reference).rpartition("/")[2])
        return f'<a href="#shape-{name}">{name}</a>'
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return " | ".join(dict.fromkeys(_type(each) for each in schema[name]))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "any"))


def _id(method: str, path: str) -> str:
    return escape(f"{method.lower()}{path}".replace("/", "-").replace("{", "").replace("}", ""))


def _anchor(tag: str) -> str:
    return "tag-" + escape(tag.lower().replace(" ", "-"))
