import pytest

from stepiq.language.templates import (
    SecretMissing,
    Template,
    TemplateLimit,
    TemplateUnresolved,
)

CONTEXT = {
    "input": {
        "topic": "AI",
        "count": 3,
        "price": 1.0,
        "none": None,
        "list": ["a", 2, 1.0, None, True],
        "object": {"b": [1, {"c": "é"}], "a": None},
        "rows": [{"name": "x"}, {"name": "y"}],
        "payload": "{{env.KEY}} {{{input.topic}}} {{#each input.list}}",
    },
    "vars": {"tone": "calm", "again": "{{vars.tone}}"},
    "steps": {"draft": {"status": "completed", "output": "text"}},
    "run": {"id": "r1"},
    "env": {"KEY": "s3cret"},
}


def render(text: str, context=CONTEXT) -> str:
    return Template.compile(text).render(context)


class TestValues:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{{input.topic}}", "AI"),
            ("{{input.count}}", "3"),
            ("{{input.price}}", "1"),
            ("{{input.none}}", ""),
            ("{{input.list}}", '["a",2,1,null,true]'),
            ("{{input.object}}", '{"b":[1,{"c":"é"}],"a":null}'),
            ("{{json input.price}} {{json input.list}}", '1 ["a",2,1,null,true]'),
            ("{{lookup input.list input.price}}", "2"),
            ("{{input.list.4}}", "true"),
            ("{{input.list.[0]}}", "a"),
            ("{{vars.tone}} {{variables.tone}}", "calm calm"),
            ("{{steps.draft.output}} {{run.id}}", "text r1"),
        ],
    )
    def test_a_value_is_written_as_text_or_as_compact_json(self, text, expected):
        assert render(text) == expected

    def test_a_value_is_never_rendered_again(self):
        assert render("{{input.payload}}") == CONTEXT["input"]["payload"]
        assert render("{{vars.again}}") == "{{vars.tone}}"

    def test_a_template_renders_any_number_of_times(self):
        template = Template.compile("{{#each input.list}}{{@index}}{{/each}}")

        assert [template.render(CONTEXT) for _ in range(2)] == ["01234", "01234"]

    def test_a_secret_is_written_where_it_is_named(self):
        assert render("Bearer {{env.KEY}}") == "Bearer s3cret"
        assert render("{{#with input}}{{@root.env.KEY}}{{../env.KEY}}{{/with}}") == "s3crets3cret"

    @pytest.mark.parametrize(
        "text",
        [
            "{{json this}}",
            "{{#each this}}{{@key}}{{json this}}{{/each}}",
            "{{#with @root}}{{json this}}{{/with}}",
        ],
    )
    def test_the_whole_context_holds_no_secret(self, text):
        shown = render(text)

        assert "s3cret" not in shown
        assert '"env"' not in shown

    def test_a_secret_cannot_be_looked_up_under_a_computed_name(self):
        with pytest.raises(TemplateUnresolved):
            render('{{lookup this "env"}}')

    def test_no_attribute_of_a_value_can_be_reached(self):
        for name in ("__class__", "keys", "[__class__]", "upper", "-1", "01", "1x"):
            with pytest.raises(TemplateUnresolved):
                render(f"{{{{input.list.{name}}}}}")
            with pytest.raises(TemplateUnresolved):
                render(f"{{{{input.topic.{name}}}}}")


class TestUnresolved:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{{input.title}}", "`input` has no field `title`"),
            ("{{input.object.z.y}}", "`input.object` has no field `z`"),
            ("{{input.none.x}}", "`input.none` is null, so it has no fields"),
            ("{{input.topic.x}}", "`input.topic` is a string, so it has no fields"),
            ("{{input.count.x}}", "`input.count` is a number, so it has no fields"),
            ("{{input.list.4.x}}", "`input.list.4` is a boolean, so it has no fields"),
            ("{{input.list.5}}", "`input.list` has no item `5`"),
            ("{{#each input.rows}}{{nam}}{{/each}}", "`this` has no field `nam`"),
        ],
    )
    def test_a_name_that_leads_nowhere_fails_with_place_and_reason(self, text, reason):
        with pytest.raises(TemplateUnresolved) as caught:
            render("\n " + text)

        assert reason in caught.value.message
        assert "line 2, column" in caught.value.message
        assert caught.value.code == "template_unresolved"

    def test_the_message_shows_how_to_write_a_fallback(self):
        with pytest.raises(TemplateUnresolved) as caught:
            render("{{input.title}}")

        assert 'write a fallback: `{{default input.title "…"}}`.' in caught.value.message

    def test_a_root_name_inside_a_block_gets_the_hint_to_say_root(self):
        with pytest.raises(TemplateUnresolved, match=r"Write `@root.input.topic`"):
            render("{{#each input.rows}}{{input.topic}}{{/each}}")

    def test_the_message_shows_no_value(self):
        with pytest.raises(TemplateUnresolved) as caught:
            render("{{vars.tone.x}}")

        assert "calm" not in caught.value.message

    def test_heads_of_blocks_accept_a_missing_path(self):
        text = (
            "{{#if input.x.y}}1{{else unless input.x}}2{{/if}}{{#each input.x.y}}{{else}}3{{/each}}"
        )

        assert render(text + "{{#with input.x}}{{else}}4{{/with}}") == "234"

    def test_a_missing_secret_is_named(self):
        with pytest.raises(SecretMissing, match="`OTHER`") as caught:
            render("{{env.OTHER}}")

        assert caught.value.code == "secret_missing"

    def test_a_missing_secret_can_be_asked_for(self):
        assert render("{{default env.OTHER 'c'}}") == "c"

    @pytest.mark.parametrize(
        "text",
        [
            "{{default (lookup this 'env') 'none'}}",
            "{{default (lookup @root input.name) 'none'}}",
            "{{#with this}}{{default (lookup this 'env') 'none'}}{{/with}}",
        ],
    )
    def test_a_name_from_data_finds_no_secret(self, text):
        assert render(text, {**CONTEXT, "input": {"name": "env"}}) == "none"

    def test_the_whole_context_has_no_secret(self):
        assert "s3cret" not in render("{{json this}}{{#each this}}{{json this}}{{/each}}", CONTEXT)

    def test_a_context_without_secrets_is_fine(self):
        assert render("{{run.id}}", {"run": {"id": "x"}}) == "x"

    @pytest.mark.parametrize("value", ["topic", "count"])
    def test_each_refuses_what_has_no_items(self, value):
        with pytest.raises(TemplateUnresolved, match="needs a list or an object"):
            render(f"{{{{#each input.{value}}}}}x{{{{/each}}}}")

    def test_each_names_no_path_for_a_computed_value(self):
        with pytest.raises(TemplateUnresolved, match="`its value` is a string"):
            render("{{#each (default input.topic 1)}}x{{/each}}")


class TestHelpers:
    @pytest.mark.parametrize(
        ("call", "expected"),
        [
            ("json input.topic", '"AI"'),
            ("json input.none", "null"),
            ("json (eq 1 1)", "true"),
            ("default input.none 'x'", "x"),
            ("default input.a.b input.none 'x'", "x"),
            ("default input.count 'x'", "3"),
            ('default "" "x"', ""),
            ("default (lookup input 'q') 'x'", "x"),
            ("lookup input.list 1", "2"),
            ("lookup input.object 'b'", '[1,{"c":"é"}]'),
            ("length input.list", "5"),
            ("length input.object", "2"),
            ("length input.topic", "2"),
            ("length input.none", "0"),
            ("join input.list", "a, 2, 1, , true"),
            ("join input.list '-'", "a-2-1--true"),
            ("join input.none", ""),
            ("eq 1 1.0", "true"),
            ("eq 1 true", "false"),
            ("eq false false", "true"),
            ("eq 'a' 'a'", "true"),
            ("eq 'a' 1", "false"),
            ("eq null undefined", "true"),
            ("eq input.list input.list", "true"),
            ("eq input.list input.rows", "false"),
            ("eq input.object input.object", "true"),
            ("eq input.object input", "false"),
            ("eq input.object input.list", "false"),
            ("eq input.rows.[0] input.rows.[1]", "false"),
            ("ne 1 2", "true"),
            ("lt 1 2", "true"),
            ("lt 'a' 'b'", "true"),
            ("lte 2 2", "true"),
            ("gt -1 0.5", "false"),
            ("gte 2 3", "false"),
            ("and 1 'x'", "x"),
            ("and 0 'x'", "0"),
            ("or 0 '' 'x'", "x"),
            ("or 0 ''", ""),
            ("not input.missing", "true"),
            (r"json 'it\'s'", '"it\'s"'),
            (r'json "a\"b\c"', r'"a\"b\\c"'),
            ("json true", "true"),
        ],
    )
    def test_a_helper_gives_its_value(self, call, expected):
        assert render(f"{{{{{call}}}}}") == expected

    @pytest.mark.parametrize(
        ("call", "reason"),
        [
            ("json input.x", "`input` has no field `x`"),
            ("length 3", "`length` needs a string, a list or an object; it got a number"),
            ("join 'x'", "`join` needs a list; it got a string"),
            ("join input.list 3", "`join` needs a string between the items"),
            ("lookup input.list true", "`lookup` needs a string or an integer as its key"),
            ("lookup input.list input.object", "it got an object"),
            ("lookup input.list 9", "`lookup` (line 1, column 3 of the template) found nothing"),
            ("lt 1 'a'", "`lt` compares two numbers or two strings"),
            ("gt true 1", "it got a boolean and a number"),
            ("and input.a.b 1", "`and` (line 1, column 3 of the template) found nothing"),
        ],
    )
    def test_a_helper_refuses_what_it_cannot_use(self, call, reason):
        with pytest.raises(TemplateUnresolved) as caught:
            render(f"{{{{{call}}}}}")

        assert reason in caught.value.message

    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            ("(and input.topic input.missing)", "n"),
            ("(or input.missing input.topic)", "y"),
            ("(lookup input.missing 'x')", "n"),
            ("(lookup input input.none)", None),
            ("(eq (length input.list) 5)", "y"),
        ],
    )
    def test_helpers_decide_blocks(self, head, expected):
        text = f"{{{{#if {head}}}}}y{{{{else}}}}n{{{{/if}}}}"
        if expected is None:
            with pytest.raises(TemplateUnresolved):
                render(text)
        else:
            assert render(text) == expected


LARGE = {"input": {"many": list(range(1_000)), "long": "x" * 400_000, "accents": "é" * 300_000}}


class TestLimits:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "text",
        [
            "{{#each input.many}}{{#each @root.input.many}}x{{/each}}{{/each}}",
            "{{#each input.many}}{{#if (eq @root.input.many @root.input.many)}}{{/if}}{{/each}}",
            "{{#each input.many}}{{#if (eq @root.input.long @root.input.long)}}{{/if}}{{/each}}",
            "{{#each input.many}}{{#if (lt @root.input.long @root.input.long)}}{{/if}}{{/each}}",
            "{{#each input.many}}{{#if (json @root.input.long)}}{{/if}}{{/each}}",
            "{{#each input.many}}{{#if (join @root.input.many @root.input.long)}}{{/if}}{{/each}}",
        ],
    )
    def test_too_much_work_is_stopped(self, text):
        with pytest.raises(TemplateLimit, match="more than 200,000 operations") as caught:
            render(text, LARGE)

        assert caught.value.code == "output_too_large"

    @pytest.mark.parametrize("text", ["{{input.long}}" * 3, "{{input.accents}}" * 2])
    def test_too_long_an_output_is_stopped(self, text):
        with pytest.raises(TemplateLimit, match="larger than 1,048,576 bytes"):
            render(text, LARGE)

    def test_long_chains_of_else_if_are_no_nesting(self):
        text = "{{#if input.no}}{{" + "else if input.no}}{{" * 2_000 + "else}}end{{/if}}"

        assert render(text, LARGE) == "end"

    def test_the_deepest_nesting_renders(self):
        blocks = "{{#with input}}" + "{{#with this}}" * 63 + "{{many.0}}" + "{{/with}}" * 64
        helpers = "{{#if " + "(not " * 64 + "1" + ")" * 64 + "}}x{{/if}}"

        assert render(blocks, LARGE) == "0"
        assert render(helpers, LARGE) == "x"
