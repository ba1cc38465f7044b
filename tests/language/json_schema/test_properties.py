"""Documents that nobody has thought of: what the loader accepts, the schema accepts."""

from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from stepiq.language.definitions.step_types import step_types
from tests.language.json_schema.conftest import judge

SECRET = "KEY"
URL = "https://api.example.com/{{input.x}}"


def seldom(rare: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A document has many mappings and numbers, and one that is wrong is enough."""
    return st.integers(0, 49).flatmap(lambda chance: rare if chance == 33 else usual)


names = st.one_of(st.none(), st.text(min_size=1, max_size=5))
texts = st.one_of(
    st.sampled_from(["Hello", "{{input.x}}", " a ", "\ufeff", "é\n"]), st.text(max_size=4)
)
lines = st.sampled_from(["a", "Bearer {{env.KEY}}", "é"])
conditions = st.sampled_from([True, False, "true", "1 < 2", "input.x == 'a'"])
values = st.sampled_from(["input", "input.x", "[1, 2]", True])
flags = st.sampled_from([None, True, False])
models = st.sampled_from([None, "gpt-4o", "a/b", "\ufeffx", "x\u2003"])
targets = seldom(st.just("zz"), st.sampled_from(["next", "end"]))
addresses = st.sampled_from(["a@example.com", "o'x+y@b-c.example", ["a@b.c"], ["a@b.c", "d@e.f"]])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def whole(low: int, high: int) -> st.SearchStrategy[Any]:
    """Numbers around the bounds, and null."""
    around = [low, float(low), low + 1, high - 1, float(high), high]
    inside = st.one_of(st.none(), st.sampled_from(around), st.integers(low, high))
    return seldom(st.sampled_from([low - 1, high + 1, low + 0.5]), inside)


def word(*options: str) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *options])


def fields(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict]:
    """A mapping of which nothing, or one value, or now and then a name is out of place."""
    made = st.fixed_dictionaries(required, optional=optional)
    names_of = st.sampled_from([*required, *optional, "other", "type"])
    spoiled = st.builds(lambda base, name, value: {**base, name: value}, made, names_of, anything)
    return seldom(spoiled, made)


loops = {"max_loops": whole(1, 100), "on_limit": word("fail", "next")}
jumps = fields({"goto": targets}, loops)
cases = fields({"if": conditions, "goto": targets}, {})
retries = fields(
    {},
    {
        "max_attempts": whole(1, 10),
        "backoff_ms": whole(0, 3_600_000),
        "factor": seldom(st.just(0.5), st.sampled_from([None, 1, 1.5, 10])),
        "max_backoff_ms": whole(0, 3_600_000),
        "on_timeout": flags,
    },
)
schemas = st.recursive(
    st.sampled_from([True, False, {}, {"type": "string"}, {"type": ["integer", "null"]}, {"enum": [1, "a"]}]),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", ["object"], "text", None]),
            "properties": st.dictionaries(st.sampled_from(["a", "b", "type"]), inner, max_size=2),
            "required": st.sampled_from([["a"], [], "a", None]),
            "items": inner,
            "additionalProperties": inner,
            "anyOf": st.lists(inner, max_size=2),
            "not": inner,
            "minLength": st.sampled_from([0, 1.0, -1, "1"]),
            "maximum": st.sampled_from([1, 1.5, True]),
            "multipleOf": st.sampled_from([1, 0]),
            "default": anything,
            "const": anything,
            "title": st.sampled_from(["x", 1]),
            "x-other": anything,
        },
    ),
    max_leaves=5,
)  # fmt: skip

sequences = st.deferred(lambda: st.lists(steps(inside=True), min_size=1, max_size=2))
OWN: dict[str, Any] = {
    "llm": lambda: fields(
        {"prompt": texts},
        {
            "system_prompt": st.none() | texts,
            "model": models,
            "fallback_models": st.none() | st.lists(models.filter(bool), max_size=6),
            "temperature": seldom(st.just(2.5), st.sampled_from([None, 0, 0.5, 2])),
            "max_tokens": whole(1, 1_000_000),
            "output_schema": st.none() | schemas,
        },
    ),
    "transform": lambda: st.one_of(
        fields({"template": texts}, {"prompt": st.none(), "set": st.none()}),
        fields({"prompt": texts}, {"first": st.none()}),
        fields({"extract": st.sampled_from(["$.a", "$..b", "$"])}, {"first": flags, "input": values}),
        fields(
            {"regex": fields(
                {"pattern": st.sampled_from(["a(?P<n>b)", "(?P<n>c)"])},
                {"group": st.sampled_from([None, 0, 1, "n"])},
            )},
            {"input": values},
        ),
        fields({"set": st.dictionaries(st.text(max_size=3), values | st.none(), max_size=3)}, {}),
        fields({"set": st.lists(values | st.integers(), max_size=3)}, {}),
    ),
    "condition": lambda: fields(
        {"cases": st.lists(cases, min_size=1, max_size=2)}, {"else": st.none() | targets}
    ),
    "parallel": lambda: st.one_of(
        fields({"steps": st.lists(branches(), min_size=1, max_size=2)}, _parallel()),
        fields({"for_each": values, "steps": sequences}, {**_parallel(), "step": st.none()}),
        fields({"for_each": values, "step": steps(inside=True)}, {**_parallel(), "steps": st.none()}),
    ),
    "webhook": lambda: fields(
        {"url": st.sampled_from([URL, "{{input.x}}", "http{{input.s}}://x", "HTTPS://a.b"])},
        {
            "method": word("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"),
            "headers": st.none() | st.dictionaries(st.sampled_from(["X-A", "x!"]), st.none() | lines),
            "body": st.none() | texts | st.lists(texts | st.none(), max_size=2) | st.dictionaries(texts, scalars),
            "expect_status": st.none() | st.sampled_from([100, 599, [200, 204], 600]),
        },
    ),
    "human_review": lambda: fields(
        {"message": texts},
        {
            "input": st.none() | values,
            "editable": flags,
            "assignees": st.none() | addresses,
            "timeout_seconds": whole(1, 2_592_000),
            "on_timeout": word("fail", "approve", "reject"),
            "on_reject": word("fail") | jumps,
        },
    ),
    "wait": lambda: st.one_of(
        fields({"seconds": st.sampled_from([0, 0.5, 1, 2_592_000, -1])}, {"until": st.none()}),
        fields({"until": texts}, {"seconds": st.none()}),
    ),
    "code": lambda: fields(
        {"language": st.just("python"), "source": st.just("def main(input): return 1")},
        {"input": st.none() | st.dictionaries(st.text(max_size=3), values | st.none(), max_size=3)},
    ),
}  # fmt: skip


def _parallel() -> dict[str, Any]:
    return {
        "max_concurrency": whole(1, 50),
        "on_branch_error": word("fail", "continue"),
        "merge": word("object", "array", "text"),
    }


@st.composite
def steps(draw: st.DrawFn, *, inside: bool = False) -> dict[str, Any]:
    """A step of any type; its id is given to it later."""
    kinds = [kind for kind in step_types() if not (inside and kind == "human_review")]
    if inside:
        # What nests seldom ends.
        kinds += ["llm", "transform"] * 3
    kind = draw(st.sampled_from(kinds))
    common = {
        "name": names,
        "if": st.none() | conditions,
        "timeout_seconds": whole(1, 30),
        "retry": st.none() | retries,
        "on_error": word("fail", "continue") | jumps,
        "on_condition": st.none() | st.lists(fields({"if": conditions, "goto": targets}, loops), min_size=1, max_size=1),
        "output_format": word("text", "json", "markdown"),
    }  # fmt: skip
    made = draw(st.fixed_dictionaries({}, optional=common)) | draw(OWN[kind]())
    type_ = draw(st.sampled_from([None, "llm"])) if kind == "llm" else kind
    return made if type_ is None else {**made, "type": type_}


def branches() -> st.SearchStrategy[Any]:
    return st.one_of(steps(inside=True), fields({"steps": sequences}, {"name": names}))


short_fields = fields(
    {"type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object"])},
    {
        "required": flags,
        "description": names,
        "default": scalars | st.just([]) | st.just({}),
        "enum": st.none() | st.lists(scalars, max_size=2),
        "minimum": st.sampled_from([None, 0, 1.5]),
        "max_length": st.sampled_from([None, 0, 3.0, 1_000_001]),
        "pattern": st.sampled_from([None, "a", "(", ""]),
    },
)
verified = fields(
    {"scheme": st.sampled_from(["github", "hmac-sha256"]), "secret_name": st.just(SECRET)},
    {"header": st.sampled_from([None, "X-Signature", "a b"])},
)
hooks = fields(
    {"type": st.just("webhook"), "url": st.just(URL), "signing_secret_name": st.just(SECRET)},
    {"method": word("POST", "PUT"), "headers": st.none() | st.dictionaries(st.just("X-A"), lines)},
)
mails = fields({"type": st.just("email"), "to": addresses}, {"subject": st.none() | lines})
documents = fields(
    {"name": st.text(min_size=1, max_size=5), "steps": st.lists(steps(), min_size=1, max_size=3)},
    {
        "description": names,
        "version": st.sampled_from([None, 1, 1.0]),
        "variables": st.none() | st.dictionaries(st.sampled_from(["a", "B_1", "1a", ""]), scalars, max_size=2),
        "input": st.none() | fields({}, {"schema": st.none() | schemas | st.dictionaries(st.sampled_from(["x", "type", "a b"]), short_fields, max_size=2)}),
        "timeout_seconds": whole(1, 2_592_000),
        "output": st.none() | fields({}, {"from": st.sampled_from([None, "a"]), "deliver": st.lists(hooks | mails | st.just({"type": "api"}), max_size=2)}),
        "notifications": st.none() | fields({}, {"on_failure": st.lists(hooks | mails, max_size=2), "on_success": st.none()}),
        "schedule": st.none() | fields({"cron": st.just("0 9 * * 1-5")}, {"enabled": flags, "timezone": st.sampled_from([None, "", "UTC", "Europe/Berlin"])}),
        "webhook": st.none() | fields({}, {"verify": st.none() | verified}),
    },
)  # fmt: skip


def with_ids(document: dict[str, Any]) -> dict[str, Any]:
    """The same with an id in every step, each another one, and with jumps that stay within their sequence."""
    count = iter("abcdefghijklmnopqrstuvwxyz")

    def number(entries: Any) -> Any:
        if not isinstance(entries, list):
            return entries
        return [place(entry) for entry in entries]

    def place(entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        made = {"id": next(count, "zz"), **entry}
        if "steps" in made:
            made["steps"] = number(made["steps"])
        if "step" in made:
            made["step"] = place(made["step"])
        return made

    return {**document, "steps": number(document.get("steps"))}


@pytest.mark.slow
class TestAcceptance:
    @given(documents)
    @settings(max_examples=150, deadline=None)
    def test_what_the_loader_accepts_the_schema_accepts(self, document):
        judged = judge(with_ids(document))

        event("accepted" if judged.is_accepted else "refused")
        assert not judged.is_contested, judged.by_schema

    @given(steps())
    @settings(max_examples=150, deadline=None)
    def test_so_it_is_with_a_single_step(self, step):
        judged = judge(with_ids({"name": "x", "steps": [step]}))

        event("accepted" if judged.is_accepted else "refused")
        assert not judged.is_contested, judged.by_schema

    @given(schemas)
    @settings(max_examples=80, deadline=None)
    @example({"type": "object", "properties": {"a": {"type": "text"}}})
    def test_so_it_is_with_a_json_schema(self, schema):
        step = {"id": "a", "prompt": "x", "output_schema": schema}

        assert not judge({"name": "x", "steps": [step]}).is_contested

    @given(
        st.dictionaries(st.sampled_from(["name", "steps", "input", "output"]), anything) | anything
    )
    @settings(max_examples=80, deadline=None)
    def test_so_it_is_with_anything(self, document):
        assert not judge(document).is_contested
