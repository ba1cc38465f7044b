"""stepiq.client.aio.operations: a method for each operation of the OpenAPI document."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from client_library import layout
from client_library.layout import docstring
from client_library.schemas import PLACES, Names, Schema, argument, is_page, references, union

_PREFIX = "#/components/schemas/"
_JSON = "application/json"
_STREAM = "text/event-stream"
_KEY = "Idempotency-Key"
_STREAMS = {
    "runs_stream": ("follow_run", "StreamedEvent"),
    "runs_stream_list": ("follow_list", "RunListEvent"),
}
"""What reads a stream, and the type of its events."""
_BRIEF = 2
"""The number of fields of a model that is no base class, because its object can stand for any other."""
_NOT_ASKED = {"cursor", "Last-Event-ID", "Accept"}
"""Parameters that the library sets itself: for pages, for streams, and for each kind of response."""
_INSIDE = " " * 8
_PLACES = {
    **PLACES,
    "AsyncPages": "stepiq.client.aio.pages",
    "AsyncResource": "stepiq.client.aio.resource",
    "AsyncTransport": "stepiq.client.aio.transport",
    "RunListEvent": "stepiq.client.list_events",
    "streams": "stepiq.client.aio",
    **dict.fromkeys(
        (
            *("OMITTED", "ApiRequest", "ApiResponse", "Omitted", "definition_body", "etag"),
            *("free_body", "json_body", "key_of", "optional_body", "path"),
        ),
        "stepiq.client.requests",
    ),
}


@dataclass
class Argument:
    """One argument of a method."""

    name: str
    sent_as: str
    kind: str
    place: str
    """`path`, `query`, `header` or `body`."""
    default: str | None = None
    description: str = ""

    def declared(self) -> str:
        """The argument in the signature."""
        return f"{self.name}: {self.kind}" + (f" = {self.default}" if self.default else "")


@dataclass
class Operation:
    """A route, and the method that calls it."""

    operation_id: str
    topic: str
    verb: str
    method: str
    path: str
    description: str
    arguments: list[Argument] = field(default_factory=list[Argument])
    body: str = ""
    """`fields`, `optional`, `definition`, `free`, or nothing."""
    takes_key: bool = False
    contents: dict[str, list[Schema]] = field(default_factory=dict[str, list[Schema]])
    """The schemas of successful responses, by content type."""
    statuses: list[int] = field(default_factory=list[int])


def topic_of(tag: str) -> str:
    """The attribute of the client for a tag."""
    return tag.lower().replace(" ", "_")


def class_of(topic: str) -> str:
    """The class of a topic in the asynchronous package."""
    return "Async" + "".join(each.capitalize() for each in topic.split("_")) + "Operations"


def read(document: Schema, names: Names) -> list[Operation]:
    """Every operation of a document."""
    return [
        _operation(document, names, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]


def _operation(
    document: Schema, names: Names, path: str, method: str, operation: Schema
) -> Operation:
    topic = topic_of(operation["tags"][0])
    made = Operation(
        operation["operationId"],
        topic,
        argument(operation["operationId"].removeprefix(f"{topic}_")),
        method.upper(),
        path,
        operation.get("description", ""),
    )
    for parameter in operation.get("parameters", ()):
        found = _resolved(document, parameter)
        if found["name"] == _KEY:
            made.takes_key = True
        else:
            made.arguments.append(_parameter(names, found))
    if "requestBody" in operation:
        _add_body(made, names, operation["requestBody"]["content"])
    for status, response in operation["responses"].items():
        if status[0] in "23" and status.isdigit():
            made.statuses.append(int(status))
            for kind, content in _resolved(document, response).get("content", {}).items():
                made.contents.setdefault(kind, []).append(content.get("schema", {}))
    return made


def _resolved(document: Schema, part: Schema) -> Schema:
    while "$ref" in part:
        _, *keys = part["$ref"].split("/")
        found: Any = document
        for key in keys:
            found = found[key]
        part = found
    return part


def _parameter(names: Names, parameter: Schema) -> Argument:
    name, place, schema = parameter["name"], parameter["in"], parameter["schema"]
    kind = names.annotation(schema, is_input=True)
    if place == "path":
        kind = "Id" if kind in ("Id", "str") else kind
        return Argument(argument(name), name, kind, place, None, parameter.get("description", ""))
    kind = kind.removesuffix(" | None") + " | None"
    if name == "If-Match":
        kind = "int | str | None"
    description = parameter.get("description", "")
    return Argument(argument(name), name, kind, place, "None", description)


def _add_body(made: Operation, names: Names, content: Schema) -> None:
    schema = content.get(_JSON, {}).get("schema", {})
    choices = schema.get("anyOf", [schema])
    referred = [each["$ref"].removeprefix(_PREFIX) for each in choices if "$ref" in each]
    if not referred:
        made.body = "free"
        made.arguments.append(Argument("body", "body", "Mapping[str, Any] | bytes", "body"))
        made.arguments.append(Argument("headers", "", "Mapping[str, str] | None", "", "None"))
        return
    is_optional = any(each.get("type") == "null" for each in choices)
    made.body = "optional" if is_optional else "fields"
    if len(content) > 1:
        made.body = "definition"
    model = names.schemas[referred[0]]
    present = {each.name for each in made.arguments}
    for key, value in model["properties"].items():
        is_definition = made.body == "definition" and key == "definition"
        if made.body == "definition" and key == "text":
            continue  # the argument `definition` can be a text
        is_required = is_definition or key in model.get("required", ())
        kind = names.annotation(value, is_input=True)
        if is_definition:
            kind = "Mapping[str, Any] | str | bytes"
        elif not is_required and kind != "Any":
            kind = union([*kind.split(" | "), "Omitted"])
        name = argument(key)
        if name not in present:
            default = None if is_required else "OMITTED"
            description = value.get("description", "")
            made.arguments.append(Argument(name, key, kind, "body", default, description))


def used_schemas(operation: Operation, names: Names) -> Iterator[str]:
    """The schemas that the method of an operation refers to."""
    for schemas in operation.contents.values():
        for schema in schemas:
            for name in references(schema):
                found = names.schemas[name]
                yield from references(found["properties"]["data"]) if is_page(found) else [name]
    for each in operation.arguments:
        yield from (word for word in _words(each.kind) if word in names.schemas)
    if operation.operation_id in _STREAMS and _STREAMS[operation.operation_id][1] in names.schemas:
        yield _STREAMS[operation.operation_id][1]


def inputs(operations: list[Operation], names: Names) -> set[str]:
    """The objects that requests contain."""
    return {
        word
        for operation in operations
        for each in operation.arguments
        for word in _words(each.kind)
        if "properties" in names.schemas.get(word, {})
    }


def _words(kind: str) -> list[str]:
    return "".join(each if each.isalnum() or each == "_" else " " for each in kind).split()


def _inner(head: str, parts: list[str], tail: str) -> str:
    """A list in brackets that is an argument of a request."""
    return layout.bracketed(head, parts, tail, _INSIDE + "    ").strip()


@dataclass
class _Method:
    """The text of one method."""

    operation: Operation
    names: Names
    suffix: str = ""
    accepts: str | None = None
    """The content type to request, if there are several."""

    def arguments(self) -> list[Argument]:
        unasked = set(_NOT_ASKED)
        if self.accepts or self.suffix or len(self.operation.contents) > 1:
            is_json = _JSON in self.operation.contents
            unasked |= {"format"} if is_json else set()
        if self.page_item() is None:
            unasked.discard("cursor")
        found = [
            each
            for each in self.operation.arguments
            if each.place == "body" or each.sent_as not in unasked
        ]
        if "Last-Event-ID" in {each.sent_as for each in self.operation.arguments}:
            text = "Number of the last event that you know. Default: all events from the start."
            found.append(Argument("after", "", "int | None", "", "None", text))
        return found

    def page_item(self) -> str | None:
        schemas = self.operation.contents.get(_JSON, [])
        if self.suffix or len(schemas) != 1 or "$ref" not in schemas[0]:
            return None
        model = self.names.schemas[schemas[0]["$ref"].removeprefix(_PREFIX)]
        if not is_page(model):
            return None
        return self.names.annotation(model["properties"]["data"]["items"], is_input=False)

    def text(self) -> str:
        operation = self.operation
        kind, result = self._result()
        is_lazy = self.page_item() is not None or _STREAM in operation.contents
        head = "def " if is_lazy else "async def "
        start = f"{head}{operation.verb}{self.suffix}("
        lines = [layout.bracketed(start, self._signature(), f") -> {kind}:", "    ")]
        lines.append(self._docstring())
        if operation.body == "definition":
            fields = ["definition", *self._fields("definition")]
            lines.append(
                layout.bracketed("sent, content_type = definition_body(", fields, ")", _INSIDE)
            )
        lines.append(layout.bracketed("request = ApiRequest(", self._request(), ")", _INSIDE))
        lines.append(f"        {result}")
        return "\n".join(lines)

    def _signature(self) -> list[str]:
        found = self.arguments()
        first = [each for each in found if each.place == "path" or each.name == "definition"]
        rest = [each for each in found if each not in first]
        rest.sort(key=lambda each: each.default is not None)
        parts = ["self", *(each.declared() for each in first)]
        named = [each.declared() for each in rest]
        if self.operation.takes_key:
            named.append("idempotency_key: str | None = None")
        return [*parts, *(["*", *named] if named else [])]

    def _has_wait(self) -> bool:
        return any(each.name == "wait" and each.place == "query" for each in self.arguments())

    def _docstring(self) -> str:
        described = [
            (each.name, " ".join(each.description.split()))
            for each in self.arguments()
            if each.description
        ]
        if self.operation.takes_key:
            text = "A name for this call, to repeat it in another process. Default: a random one."
            described.append(("idempotency_key", text))
        text = docstring(self.operation.description or self.operation.operation_id, "        ")
        if not described:
            return text
        body = text.strip().removeprefix('"""').removesuffix('"""').rstrip()
        lines = [f'        """{body}', "", "        Args:"]
        for name, description in described:
            wrapped = docstring(description, " " * 16).strip().removeprefix('"""')
            lines.append(f"            {name}: {wrapped.removesuffix(chr(34) * 3).rstrip()}")
        return "\n".join([*lines, '        """'])

    def _request(self) -> list[str]:
        operation, found = self.operation, self.arguments()
        quoted = ", ".join(f"{each.name}={each.name}" for each in found if each.place == "path")
        parts = [f'"{operation.method}"']
        template = operation.path
        for each in found:
            if each.place == "path":
                template = template.replace(f"{{{each.sent_as}}}", f"{{{each.name}}}")
        parts.append(f'path("{template}", {quoted})' if quoted else f'"{template}"')
        query = [f'"{each.sent_as}": {each.name}' for each in found if each.place == "query"]
        if query:
            parts.append(_inner("query={", query, "}"))
        if headers := self._headers():
            parts.append(f"headers={headers}")
        if operation.body:
            parts.append(f"body={self._body()}")
        if operation.takes_key:
            parts.append("idempotency_key=key_of(idempotency_key)")
        if self._has_wait():
            parts.append("wait=wait")
        return parts

    def _headers(self) -> str:
        found = {
            each.sent_as.lower(): f"etag({each.name})" if each.sent_as == "If-Match" else each.name
            for each in self.arguments()
            if each.place == "header"
        }
        if self.accepts:
            found["accept"] = repr(self.accepts)
        match self.operation.body:
            case "definition":
                found["content-type"] = "content_type"
            case "fields" | "optional" | "free":
                found["content-type"] = '"application/json"'
            case _:
                pass
        text = ", ".join(f'"{name}": {value}' for name, value in found.items())
        if self.operation.body == "free":
            return f"{{{text}, **(headers or {{}})}}"
        return f"{{{text}}}" if text else ""

    def _body(self) -> str:
        match self.operation.body:
            case "definition":
                return "sent"
            case "free":
                return "free_body(body)"
            case kind:
                function = "optional_body" if kind == "optional" else "json_body"
                return _inner(f"{function}(", self._fields(), ")")

    def _fields(self, but: str = "") -> list[str]:
        found = [each for each in self.arguments() if each.place == "body" and each.sent_as != but]
        return [f"{each.name}={each.name}" for each in found]

    def _result(self) -> tuple[str, str]:
        """The type of the result, and the statement that returns it."""
        operation = self.operation
        if _STREAM in operation.contents:
            function, kind = _STREAMS[operation.operation_id]
            after = (
                ", after=after" if any(each.name == "after" for each in self.arguments()) else ""
            )
            follow = f"streams.{function}(self._transport, request{after})"
            return f"AsyncGenerator[{kind}]", f"return {follow}"
        if item := self.page_item():
            return f"AsyncPages[{item}]", f"return AsyncPages(self._transport, {item}, request)"
        if any(status >= HTTPStatus.MULTIPLE_CHOICES for status in operation.statuses):
            send = "self._transport.send(request, is_redirect=True)"
            return "ApiResponse", f"return await {send}"
        if not operation.contents:
            return "None", "await self._transport.send(request)"
        if self.suffix or _JSON not in operation.contents:
            return "str", "return (await self._transport.send(request)).text"
        return self._object()

    def _object(self) -> tuple[str, str]:
        kinds: list[str] = []
        for schema in self.operation.contents[_JSON]:
            kinds += self.names.annotation(schema, is_input=False).split(" | ")
        unique = list(dict.fromkeys(kinds))
        # A derived class has more fields, so it is tried first.
        unique.sort(key=lambda kind: kind not in self.names.bases)
        shown = [kind for kind in unique if self.names.bases.get(kind) not in unique]
        if len(unique) == 1:
            return shown[0], f"return await self._transport.fetch({unique[0]}, request)"
        fetch = f"self._transport.fetch_one_of(({', '.join(unique)}), request)"
        return " | ".join(shown), f"return await {fetch}"


def methods(operation: Operation, names: Names) -> Iterator[str]:
    """The methods for an operation: one, or one for each kind of response."""
    others = [kind for kind in operation.contents if kind not in (_JSON, _STREAM)]
    is_choice = _JSON in operation.contents and bool(others)
    yield _Method(operation, names, accepts=_JSON if is_choice else None).text()
    if is_choice:
        for kind in others:
            suffix = "_" + kind.rpartition("/")[2]
            yield _Method(operation, names, suffix, kind).text()


def module(operations: list[Operation], names: Names, models: list[str]) -> str:
    """The text of `stepiq.client.aio.operations`: a class for each topic."""
    topics: dict[str, list[str]] = {}
    for operation in operations:
        topics.setdefault(operation.topic, []).extend(methods(operation, names))
    classes = [
        f"class {class_of(topic)}(AsyncResource):\n"
        f'    """The operations of the topic "{topic.replace("_", " ")}"."""\n\n'
        + "\n\n".join(texts)
        for topic, texts in topics.items()
    ]
    places = _PLACES | dict.fromkeys(models, "stepiq.client.models")
    return layout.module("The operations of the API, by topic.", "\n\n\n".join(classes), places)


def topics(operations: list[Operation], written: dict[str, tuple[str, str]]) -> str:
    """The text of `stepiq.client.aio.topics`: an attribute for each topic.

    Args:
        operations: all operations.
        written: topics with further methods: the module and the class that has them.
    """
    classes = {
        each.topic: written.get(each.topic)
        or ("stepiq.client.aio.operations", class_of(each.topic))
        for each in operations
    }
    lines = ["class AsyncTopics:", '    """The operations, by topic."""\n']
    lines.append("    def _use(self, transport: AsyncTransport) -> None:")
    lines.append("        self._transport = transport")
    lines += [f"        self.{topic} = {name}(transport)" for topic, (_, name) in classes.items()]
    places = _PLACES | {name: place for place, name in classes.values()}
    return layout.module("The topics of a client.", "\n".join(lines), places)


def derived(operations: list[Operation], schemas: Schema) -> dict[str, str]:
    """Models with all fields of another model that the same operation can return: the other one is their base."""
    found: dict[str, str] = {}
    for operation in operations:
        names = {
            name
            for schema in operation.contents.get(_JSON, [])
            for name in references(cast(Any, schema))
        }
        for one in names:
            for other in names - {one}:
                fields, fewer = (schemas[each].get("properties", {}) for each in (one, other))
                is_part = all(fields.get(name) == schema for name, schema in fewer.items())
                if is_part and _BRIEF < len(fewer) < len(fields):
                    found[one] = other
    return found
