from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from stepiq.language.templates import Template, TemplateError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "0", "length"]), inner, max_size=4)
    ),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        "{{", "}}", "{{{", "}}}", "{{#if input.a}}", "{{#each input.a}}", "{{#with input.b}}", "{{else}}", "{{/if}}",
        "{{/each}}", "{{/with}}", "{{input.a}}", "{{this}}", "{{@index}}", "{{../a}}", "{{json input}}", "{{env.KEY}}",
        "{{lookup input 'a'}}", "{{join input.a}}", "{{#unless (eq input.a input.b)}}", "{{/unless}}", "\\", " ", "\n",
        "~", "!", "x", "{{a.b}}", "as |q|", "{{q}}", "{{!-- --}}", "(", ")", "'", "input", "env", "@root",
    ]
)  # fmt: skip


class TestTemplates:
    @given(st.text() | st.lists(PIECES, max_size=30).map("".join), VALUES, VALUES)
    def test_a_template_renders_or_raises_a_template_error(self, text, a, b):
        context = {"input": {"a": a, "b": b}, "env": {"KEY": "never-shown-by-data"}}
        with suppress(TemplateError):
            Template.compile(text).render(context)

    @given(st.text())
    def test_a_value_comes_out_as_it_went_in(self, text):
        assert Template.compile("{{input.a}}").render({"input": {"a": text}}) == text

    @given(st.text(alphabet=st.characters(exclude_characters="{\\", exclude_categories=["Cs"])))
    def test_text_without_tags_comes_out_as_it_is(self, text):
        assert Template.compile(text).render({}) == text

    @given(st.lists(PIECES, max_size=30).map("".join), VALUES)
    def test_a_secret_shows_only_where_it_is_named(self, text, a):
        if "env.KEY" in text:
            return
        secret = "\ue000-secret-\ue000"
        try:
            shown = Template.compile(text).render({"input": {"a": a}, "env": {"KEY": secret}})
        except TemplateError as error:
            shown = error.message
        assert secret not in shown
