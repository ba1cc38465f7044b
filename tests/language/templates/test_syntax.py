from contextlib import suppress

import pytest

from stepiq.language.templates import Template, TemplateSyntaxError
from tests.support.pace import cpu_limit


def refused(text: str) -> TemplateSyntaxError:
    with pytest.raises(TemplateSyntaxError) as caught:
        Template.compile(text)
    return caught.value


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{{", "is not closed"),
            ("{{input", "is not closed. Write `}}`"),
            ("{{{input}}", "is not closed. Write `}}}`"),
            ("{{input}", "is not closed"),
            ("{{! x", "comment is not closed. Write `}}`"),
            ("{{!-- x }}", "comment is not closed. Write `--}}`"),
            ("{{}}", "This tag is empty"),
            ("{{'x'}}", "contains a literal value"),
            ("{{3}}", "contains a literal value"),
            ("{{json 'x}}", "This string is not closed"),
            ("{{[x}}", "This name is not closed"),
            ("{{{{raw}}}}", "Raw blocks"),
            ("{{> part}}", "Partials"),
            ("{{#> part}}", "Partials"),
            ("{{* deco}}", "Decorators"),
            ("{{#* deco}}", "Decorators"),
            ("{{a < b}}", "no operator `<`"),
            ("{{a + b}}", "is not valid inside"),
            ("{{json'x'}}", "Write a space between the values"),
            ("{{#if(eq a b)}}{{/if}}", "Write a space between the values"),
            ("{{or (eq a b)(eq a c)}}", "Write a space between the values"),
            ("{{else-a}}", "`else-a` is read as `else`. If it is a name, write `this.else-a`"),
            ("{{a b}}", "`a` is not a helper. The helpers are json"),
            ("{{jsn b}}", "Did you mean `json`?"),
            ("{{if b}}", "`if` is a block"),
            ("{{if}}", "`if` is a block"),
            ("{{json}}", "For a field with this name, write `this.json`"),
            ("{{json json}}", "`json` is a helper and needs a value"),
            ("{{json a b}}", "too many values. Write it as `json value`"),
            ("{{eq a}}", "too few values. Write it as `eq a b`"),
            ("{{json (eq a b}}", "`(` has no closing `)`"),
            ("{{json (eq a}}", "too few values"),
            ("{{json ('x' a)}}", "Parentheses must start with a helper"),
            ("{{json (}}", "A value is missing at the end"),
            ("{{(json a)}}", "Remove the outer parentheses"),
            ("{{json a )}}", "an extra word"),
            ("{{#if )}}{{/if}}", "an extra word"),
            ("{{#each a as item}}", "Write the name between bars: `as |item|`"),
            ("{{#each a as}}", "`as` is an extra word"),
            ("{{a = b}}", "no operators"),
            ("{{#if a == b}}{{/if}}", "no operators"),
            ("{{json a=b}}", "`a=` is not an option of this helper"),
            ("{{#if a b}}{{/if}}", "`b` is an extra word"),
            ("{{#if eq a b}}{{/if}}", "Put parentheses around a helper"),
            ("{{#if eq}}{{/if}}", "`eq` is a helper"),
            ("{{#each eq as |x|}}{{/each}}", "`eq` is a helper"),
            ("{{#if}}{{/if}}", "`#if` needs a value"),
            ("{{#}}{{/}}", "`` is not a block"),
            ("{{#iff a}}{{/iff}}", "Did you mean `#if`?"),
            ("{{#zzz a}}{{/zzz}}", "The blocks are `#if`, `#unless`, `#each` and `#with`"),
            ("{{a || b}}", "Templates have no operators and no filters. Write a helper first"),
            ("{{a | upper}}", "Templates have no operators and no filters. Write a helper first"),
            ("{{for x in y}}", "`for` is not a helper."),
            ("{{#if a}}", "`#if` is not closed"),
            ("{{/if}}", "a block that is not open"),
            ("{{#if a}}{{/each}}", "does not close the block of line 1. Write `{{/if}}`"),
            ("{{#if a}}{{/if a}}", "does not close"),
            ("{{else}}", "outside a block"),
            ("{{#if a}}{{else}}{{else}}{{/if}}", "already has an `else`"),
            ("{{^if a}}{{else}}{{/if}}", "already has an `else`"),
            ("{{#if a}}{{else wenn b}}{{/if}}", "`wenn` is not a block"),
            (
                "{{#each a includeZero=true}}{{/each}}",
                "`#each` has no option `includeZero`",
            ),
            ("{{#if a foo=1}}{{/if}}", "`#if` has no option `foo`"),
            ("{{#if a includeZero=1}}{{/if}}", "`includeZero` must be `true` or `false`"),
            ("{{#if a includeZero=}}{{/if}}", "`includeZero` must be `true` or `false`"),
            ("{{#each a as |x y z|}}{{/each}}", "takes one or two block parameters"),
            ("{{#each a as ||}}{{/each}}", "takes one or two block parameters"),
            ("{{#with a as |x y|}}{{/with}}", "takes one block parameter."),
            ("{{#if a as |x|}}{{/if}}", "takes no block parameters"),
            ("{{#each a as |x}}{{/each}}", "`as |` has no closing `|`"),
            ("{{#each a as |x 'y'|}}{{/each}}", "`as |` has no closing `|`"),
            ("{{#each a as |x.y|}}{{/each}}", "cannot be the name of a block parameter"),
            ("{{#each a as |true|}}{{/each}}", "cannot be the name of a block parameter"),
            ("{{#each a as |json|}}{{/each}}", "cannot be the name of a block parameter"),
            ("{{#each a as |with|}}{{/each}}", "cannot be the name of a block parameter"),
            ("{{#each a as |12|}}{{/each}}", "cannot be the name of a block parameter"),
            ("{{#each a as|x|}}{{/each}}", "space before the first `|`"),
            ("{{^each a as |x|}}{{/each}}", "`^each` takes no block parameters"),
            ("{{#each a as |x| b}}{{/each}}", "`b` is an extra word"),
            ("{{a.}}", "empty or invalid part"),
            ("{{.a}}", "empty or invalid part"),
            ("{{a..b}}", "cannot be read"),
            ("{{....}}", "cannot be read"),
            ("{{@}}", "The character `@` is not valid"),
            ("{{a[0]}}", "with dots: `input.list.0`"),
            ("{{..a}}", "cannot be read"),
            ("{{a/../b}}", "must be at the start of a name"),
            ("{{a.this}}", None),
            ("{{../a}}", "has more `../` than"),
            ("{{#if a}}{{../a}}{{/if}}", "has more `../` than"),
            ("{{@index}}", "exists only inside `#each`"),
            ("{{#with a}}{{@index}}{{/with}}", "exists only inside `#each`"),
            ("{{#each a}}{{@../index}}{{/each}}", "exists only inside `#each`"),
            ("{{@foo}}", "`@foo` does not exist"),
            ("{{@../root.a}}", "does not exist"),
            ("{{@./a}}", "does not exist"),
            ("{{@this}}", "does not exist"),
            ("{{json " + "1" * 41 + "}}", "at most 40 characters"),
            ("{{a}}" * 10_001, "at most 10,000 tags"),
            ("{{json " + "a " * 1_001, "at most 1,000 words"),
            ("{{#if a}}" * 65, "Blocks exceed the maximum depth of 64"),
            (
                "{{json " + "(not " * 65 + "1" + ")" * 65 + "}}",
                "Helpers exceed the maximum depth of 64",
            ),
            ("{{env}}", "is not a secret. Write `env.NAME`."),
            ("{{env.A.b}}", "is not a secret. Write `env.NAME`."),
            ("{{json env}}", "is not a secret. Write `env.NAME`."),
            ("{{#each env}}{{/each}}", "is not a secret. Write `env.NAME`."),
            ("{{#with this as |c|}}{{json c.env}}{{/with}}", "is not a secret. Write `env.NAME`."),
            ("{{#with this}}{{json env}}{{/with}}", "is not a secret. Write `env.NAME`."),
            ("{{env.0a}}", "does not start with a digit"),
        ],
    )
    def test_what_is_not_a_template_is_refused_with_a_reason(self, text, message):
        if message is None:
            message = "must be at the start of a name"

        assert message in refused(text).message

    def test_the_error_names_line_and_column(self):
        error = refused("one\n  two {{input.}}\n")

        assert (error.line, error.column) == (2, 9)
        assert error.code == "template_syntax"

    def test_long_names_are_shortened_in_messages(self):
        assert len(refused("{{" + "a" * 10_000 + ".}}").message) < 200


class TestReferences:
    def references(self, text: str) -> list[tuple[tuple[str, ...], bool]]:
        return [(r.parts, r.optional) for r in Template.compile(text).references]

    def test_every_reading_of_the_context_is_listed(self):
        text = "{{input.a}}{{#if vars.b}}{{json steps.c.output.[d e]}}{{/if}}{{run/id}}"

        assert self.references(text) == [
            (("input", "a"), False),
            (("vars", "b"), True),
            (("steps", "c", "output", "d e"), False),
            (("run", "id"), False),
        ]

    def test_variables_is_another_name_of_vars(self):
        assert self.references("{{variables.a}}{{#with variables}}{{a}}{{/with}}") == [
            (("vars", "a"), False),
            (("vars",), True),
            (("vars", "a"), False),
        ]

    def test_names_inside_with_are_followed(self):
        text = "{{#with input.a as |x|}}{{b}}{{x.c}}{{../run.id}}{{this}}{{/with}}"

        assert [parts for parts, _ in self.references(text)] == [
            ("input", "a"),
            ("input", "a", "b"),
            ("input", "a", "c"),
            ("run", "id"),
            ("input", "a"),
        ]

    def test_names_of_items_are_not_listed(self):
        text = "{{#each input.a as |x i|}}{{b}}{{x.c}}{{i}}{{@index}}{{#with d}}{{e}}{{/with}}{{/each}}"

        assert [parts for parts, _ in self.references(text)] == [("input", "a")]

    def test_a_computed_head_is_not_followed(self):
        assert [p for p, _ in self.references("{{#with (lookup input 'a')}}{{b}}{{/with}}")] == [
            ("input",)
        ]

    @pytest.mark.parametrize(
        ("text", "optional"),
        [
            ("{{default input.a 'x'}}", True),
            ("{{default 'x' input.a}}", False),
            ("{{#if (not input.a)}}{{/if}}", True),
            ("{{#if (eq input.a 1)}}{{/if}}", False),
            ("{{#if (lookup input.a 'b')}}{{/if}}", True),
            ("{{lookup input.a 'b'}}", False),
        ],
    )
    def test_a_reference_says_whether_it_may_be_missing(self, text, optional):
        assert self.references(text) == [(("input", "a"), optional)]

    def test_secrets_are_listed_apart(self):
        template = Template.compile("{{env.A}}{{default env.B 'x'}}{{env.A}}")

        assert template.secret_names == {"A", "B"}
        assert template.references == ()

    def test_a_reference_can_be_located(self):
        template = Template.compile("a\n b {{input.x}}")

        assert template.locate(template.references[0].offset) == (2, 6)


class TestSecrets:
    @pytest.mark.parametrize(
        "text",
        [
            *(
                f"{{{{#{block} env.A}}}}{{{{/{block}}}}}"
                for block in ("if", "unless", "each", "with")
            ),
            "{{^if env.A}}{{/if}}",
            "{{#if a}}{{else if env.A}}{{/if}}",
            "{{#with this as |c|}}{{#if c.env.A}}{{/if}}{{/with}}",
            "{{#each a}}{{#if @root.env.A}}{{/if}}{{/each}}",
            *(f"{{{{{helper} env.A 'x'}}}}" for helper in ("eq", "ne", "lt", "lte", "gt", "gte")),
            *(f"{{{{{helper} 'x' env.A}}}}" for helper in ("and", "or", "lookup", "join")),
            "{{length env.A}}",
            "{{not env.A}}",
            "{{lookup env.A 0}}",
            "{{length (json env.A)}}",
            "{{eq 'x' (default env.A 'y')}}",
            "{{json (length env.A)}}",
            "{{default (eq env.A 'x') 1}}",
            "{{#if (default (json env.A) 'y')}}{{/if}}",
        ],
    )
    def test_nothing_can_be_learned_about_one(self, text):
        with pytest.raises(TemplateSyntaxError, match="A secret can only be inserted, as in"):
            Template.compile(text)

    @pytest.mark.parametrize(
        "text",
        [
            "{{env.A}}",
            "{{json env.A}}",
            "{{default env.A env.B 'x'}}",
            "{{json (default env.A 'x')}}",
        ],
    )
    def test_one_can_be_inserted_whole(self, text):
        assert "A" in Template.compile(text).secret_names


class TestHostileTexts:
    SIZE = 256 * 1024

    @pytest.mark.parametrize(
        "unit",
        [
            "{{", "{{{", "}}", "\\{{", "\\", "{{!", "{{!--", "{{#if a}}", "{{else}}", "{{/if}}", "{{a}}", "{{a",
            "{{[", "{{'", "{{\"\\", "{{json (", "{{(", "a.", "{{a.", "{{../", "{{@", "{{#each a as |", "{{~", " \n",
            "{{^", "{{! }}\n", "{{#with a}}", "{{json 1", "\u2028", "{{\u00a0",
        ],
    )  # fmt: skip
    def test_a_text_of_one_thing_over_and_over_ends_within_a_second(self, unit):
        text = unit * (self.SIZE // len(unit))
        with cpu_limit(1), suppress(TemplateSyntaxError):
            Template.compile(text)

    @pytest.mark.parametrize(
        ("start", "unit"),
        [
            ("{{#if a}}", "{{else if a}}"),
            ("{{or ", "1 "),
            ("{{json ", "(not "),
            ("{{#each a as |", "b "),
            ('{{json "', '\\"'),
            ("{{[", "\\"),
        ],
    )
    def test_a_long_tag_ends_within_a_second(self, start, unit):
        with cpu_limit(1), pytest.raises(TemplateSyntaxError):
            Template.compile(start + unit * (self.SIZE // len(unit)))
