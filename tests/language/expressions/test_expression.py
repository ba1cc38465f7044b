import threading
from enum import StrEnum
from typing import Any

import pytest

from stepiq.language.expressions import Expression, ExpressionError
from stepiq.language.templates import Reference

CONTEXT: dict[str, Any] = {
    "input": {"topic": "x", "two words": 2, "list": [1, 2], "nothing": None, "first-name": "Ada"},
    "vars": {"key": "topic", "limit": 8},
    "steps": {"review": {"output": {"score": 9}, "status": "completed"}},
    "run": {"id": "r1", "started_at": "2024-01-31T09:00:00Z"},
}


def evaluate(text: str, context: dict[str, Any] = CONTEXT) -> Any:
    return Expression.compile(text).evaluate(context)


def failure(text: str, context: dict[str, Any] = CONTEXT) -> str:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, context)
    assert caught.value.code == "expression_error"
    return caught.value.message


def paths(text: str) -> list[tuple[str, bool]]:
    found = Expression.compile(text).references
    return [(".".join(reference.parts), reference.optional) for reference in found]


class TestReferences:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1 + 2", []),
            ("steps.review.output.score >= 8", [("steps.review.output.score", False)]),
            ("input", [("input", False)]),
            ("variables.limit", [("vars.limit", False)]),
            ('input["two words"]', [("input.two words", False)]),
            ("input.`two words`", [("input.two words", False)]),
            ("steps.x.output[0].name", [("steps.x.output.0.name", False)]),
            ("input[vars.key].name", [("input", False), ("vars.key", False)]),
            ("input.list[?index].orValue(1)", [("input.list", False), ("index", False)]),
            ("input.list[?0].orValue(1)", [("input.list.0", True)]),
            ("input.list[input.list[0]]", [("input.list", False), ("input.list.0", False)]),
            ("has(input.a.b)", [("input.a.b", True)]),
            ("input.?a.b.orValue(vars.x)", [("input.a.b", True), ("vars.x", False)]),
            ("input[?'a'].hasValue()", [("input.a", True)]),
            ("size(input.a) + input.b.size()", [("input.a", False), ("input.b", False)]),
            ("(input.a + input.b).c", [("input.a", False), ("input.b", False)]),
            (
                "[input.a, {'k': vars.b, item: 1}]",
                [("input.a", False), ("vars.b", False), ("item", False)],
            ),
            (
                "input.list.filter(i, i > vars.limit)",
                [("input.list", False), ("vars.limit", False)],
            ),
            ("input.list.map(i, i > 1, run.id)", [("input.list", False), ("run.id", False)]),
            ("input.list.all(i, i.a.exists(k, k == i))", [("input.list", False)]),
            ("[{'a': 1}].map(input, input.a) == input.b", [("input.b", False)]),
            ("type(input.a) == int", [("input.a", False)]),
            ("{{input.topic}} == '{{input.other}}'", [("input.topic", False)]),
        ],
    )
    def test_they_name_every_place_that_is_read(self, text, expected):
        assert paths(text) == expected

    def test_they_know_where_they_stand(self):
        expression = Expression.compile("'é😀' != ''\n  && {{ input.topic }} == vars.key")

        places = [expression.locate(reference.offset) for reference in expression.references]

        assert places == [(2, 6), (2, 27)]

    def test_they_are_those_of_templates(self):
        assert Expression.compile("has(input.a)").references == (
            Reference(("input", "a"), optional=True, offset=4),
        )


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("{{steps.review.output.score}} >= 8", True),
            ("{{{input.topic}}}", "x"),
            ("{{ input.topic }}+{{~vars.key~}}", "xtopic"),
            ("{{variables.limit}} - 1", 7),
            ("{{input.list.1}}", 2),
            ("{{input.list.[0]}}", 1),
            ("{{input.[two words]}}", 2),
            ("{{input.first-name}}.size()", 3),
            ("-{{vars.limit}} * 2", -16),
            ("[{{input.topic}}]", ["x"]),
        ],
    )
    def test_a_path_in_braces_is_the_path(self, text, value):
        assert evaluate(text) == value

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("{{input.0}}", "a"),
            ("'😀\u00e9' +\n  {{input.0}} + string(0)", "😀éa0"),
            ("{{input.1.0}} + [0][0]", 7),
            ("[optional.of(input)].map(x, {{x.0}})", ["a"]),
        ],
    )
    def test_a_number_in_the_path_may_be_the_name_of_a_field(self, text, value):
        assert evaluate(text, {"input": {"0": "a", "1": [7]}}) == value

    @pytest.mark.parametrize(
        "text", ["'{{input.topic}}'", 'r"{{input.topic}}"', "'''{{input.topic}}'''"]
    )
    def test_braces_in_quotes_are_text(self, text):
        assert evaluate(text) == "{{input.topic}}"

    def test_what_a_value_holds_is_never_read_as_an_expression(self):
        context = {"input": {"topic": "' || true || '{{env.KEY}}", "key": "{{vars.x}}"}}

        assert (
            evaluate("{{input.topic}} + input.key", context)
            == "' || true || '{{env.KEY}}{{vars.x}}"
        )

    @pytest.mark.parametrize("word", ["in", "true", "null"])
    def test_a_field_may_be_called_like_a_keyword(self, word):
        assert evaluate(f"{{{{input.{word}}}}}", {"input": {word: 1}}) == 1

    def test_a_comment_may_hold_anything(self):
        assert evaluate("1 // {{ 'x") == 1


class TestEvaluate:
    @pytest.mark.parametrize(
        "value",
        [None, True, 0, -1.5, "", "é😀", "a\0b", [1, [2]], {"a": {"b": None}}, 2**63 - 1, -(2**63)],
    )
    def test_a_value_of_the_context_comes_back_as_it_is(self, value):
        if value == "a\0b":
            value = [value]
        assert evaluate("input.x", {"input": {"x": value}}) == value

    def test_data_is_not_copied(self):
        assert evaluate("input.list") is CONTEXT["input"]["list"]

    @pytest.mark.parametrize(
        ("value", "kind"),
        [(3.0, "int"), (-0.0, "int"), (2.5, "double"), (1e300, "double"), (2**63, "double"), (10**400, "double"),
         (-(10**400), "double"), (True, "bool")],
    )  # fmt: skip
    def test_numbers_without_a_fraction_enter_as_integers_while_they_fit(self, value, kind):
        assert evaluate(f"type(input.x) == {kind}", {"input": {"x": value}}) is True
        assert evaluate(f"type(input.x[0]) == {kind}", {"input": {"x": [value]}}) is True

    @pytest.mark.parametrize(
        ("text", "value"),
        [("1.5 + 1.5", "3"), ("double(7)", "7"), ("-0.0", "0"), ("1e300", "1e+300"), ("0.1", "0.1"), ("3u", "3"),
         ("double(9007199254740993)", "9007199254740992"), ("[double(1), 2.5]", "[1, 2.5]")],
    )  # fmt: skip
    def test_doubles_without_a_fraction_come_back_as_integers(self, text, value):
        assert str(evaluate(text)) == value

    def test_a_double_that_an_expression_made_stays_one_inside_it(self):
        assert evaluate("[double(1)].map(x, type(x) == double)") == [True]
        assert (
            evaluate("{'a': double(1)}.a == 1.0 && type({'a': double(1)}['a']) == double") is True
        )

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("timestamp(run.started_at) + duration('36h')", "2024-02-01T21:00:00Z"),
            ("timestamp('2024-01-01T00:00:00.123456789Z')", "2024-01-01T00:00:00.123456789Z"),
            ("duration('90m')", "5400s"),
            ("duration('-0.25s')", "-0.250s"),
            ("input.?absent", None),
            ("[input.?topic, input.?absent]", ["x", None]),
            ("{'a': optional.of([1])}", {"a": [1]}),
            ("string(123456789.0) + string(1.5)", "1234567891.5"),
            (
                "string(0.0 / 0.0) + string(1.0 / 0.0) + string(-1.0 / 0.0) + string(-1.0 / -0.0)",
                "NaNInfinity-InfinityInfinity",
            ),
        ],
    )
    def test_other_values_come_back_as_text_or_null(self, text, value):
        assert evaluate(text) == value

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("b'a'", "the result is bytes, which JSON does not have. Convert it: `string(x)`"),
            ("int", "the result is a type"),
            ("[int]", "the result is a type"),
            (
                "0.0 / 0.0",
                "the result is infinite, not a number or too large (more than 308 digits).",
            ),
            (
                "int(1.0 / 0.0)",
                "`int` takes finite numbers, but this is infinite, not a number or too large (more than 308 digits).",
            ),
            (
                "uint(0.0 / 0.0)",
                "`uint` takes finite numbers, but this is infinite, not a number or too large (more than 308 digits).",
            ),
            ("{1: 'a'}", "keys that are not strings"),
            ("{true: 'a'}", "keys that are not strings"),
            ("'a\\u0000'", "U+0000"),
            ("{'a\\u0000': 1}", "U+0000"),
        ],
    )
    def test_what_json_does_not_have_is_refused(self, text, message):
        assert message in failure(text)

    @pytest.mark.parametrize("value", ["\ud800", ["\ud800"], {"\ud800": 1}])
    def test_half_a_surrogate_pair_is_refused(self, value):
        context = {"input": {"x": value}}

        assert "half of a surrogate pair" in failure("input.x", context)
        assert "half of a surrogate pair" in failure("[input.x]", context)

    @pytest.mark.parametrize("text", ["input.x.matches('a')", "bytes(input.x)"])
    def test_half_a_surrogate_pair_cannot_be_encoded(self, text):
        assert "half of a surrogate pair" in failure(text, {"input": {"x": "\ud800"}})

    @pytest.mark.parametrize("value", [object(), b"x", (1,), [object()], {"a": (1,)}, {1: 2}])
    def test_what_is_no_json_data_is_refused(self, value):
        assert "JSON" in failure("input.x", {"input": {"x": value}})

    def test_what_is_not_a_number_is_refused(self):
        assert "not a number" in failure("input.x", {"input": {"x": [float("nan")]}})

    def test_members_of_enumerations_are_texts(self):
        kind = StrEnum("Kind", ["MANUAL"])
        context = {"run": {"trigger_type": kind.MANUAL}}

        assert evaluate("run.trigger_type == 'manual'", context) is True
        assert evaluate("run", context) == {"trigger_type": "manual"}

    def test_null_has_no_fields_and_may_be_asked_for_them(self):
        assert evaluate("has(input.nothing.a)") is False
        assert evaluate("input.nothing.?a.orValue(1)") == 1
        assert evaluate("input.?nothing.?a.orValue(1)") == 1
        assert evaluate("input.nothing[?'a'].orValue(1)") == 1

    def test_an_item_past_the_end_of_an_optional_list_is_nothing(self):
        assert evaluate("input.?list[9].orValue(0)") == 0

    @pytest.mark.parametrize("zone", ["+25:00", "x" * 500, "Europe/../../etc/passwd", "\0"])
    def test_a_time_zone_that_does_not_exist_is_refused(self, zone):
        assert "the time zone is unknown" in failure(
            "timestamp(0).getHours(input.zone)", {"input": {"zone": zone}}
        )

    def test_the_end_of_the_calendar_is_the_end(self):
        message = failure("timestamp('9999-12-31T23:59:59Z').getHours('+02:00')")

        assert "years 1 to 9999" in message

    @pytest.mark.parametrize(
        "text", ["int(input.x)", "double(input.x)", "timestamp(input.x)", "duration(input.x)"]
    )
    def test_long_texts_are_no_numbers_and_no_times(self, text):
        assert "`" in failure(text, {"input": {"x": "9" * 100_000}})

    def test_threads_may_share_an_expression(self):
        expression = Expression.compile("input.list.map(x, [1, 2, 3].map(y, x * y))")
        results: list[Any] = []

        def work(n: int) -> None:
            for _ in range(200):
                results.append((n, expression.evaluate({"input": {"list": [n, n]}})))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(results) == 800
        assert all(value == [[n, 2 * n, 3 * n]] * 2 for n, value in results)


class TestAdvice:
    """What a message says to write can be used, whether the number is an index or the name of a field."""

    @pytest.mark.parametrize("holder", [[{"a": 1}], {"0": {"a": 1}}])
    @pytest.mark.parametrize("name", ["first", "two words", "this", "true", "a.b"])
    def test_what_to_write_for_an_absent_field_below_a_number_works(self, holder, name):
        written = f"{{{{input.[{name}].0}}}}"
        context = {"input": {name: holder}}

        test, fallback = failure(f"{written}.b", context).split("`")[-4::2]

        assert evaluate(test, context) is False
        assert evaluate(fallback.replace("…", "5"), context) == 5
        assert evaluate(fallback.replace("…", "5").replace("?b", "?a"), context) == 1

    @pytest.mark.parametrize(("holder", "value"), [([7], 7), ({"0": 8}, 8), (None, 9)])
    def test_what_to_write_for_a_null_before_a_number_works(self, holder, value):
        advice = failure("{{input.n.0}}", {"input": {"n": None}}).split("`")[-2]
        text = advice.replace("…", "{{input.n.0}}", 1).replace("…", "9")

        assert evaluate(text, {"input": {"n": holder}}) == value


class TestFailures:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("input.tpic", "`input.tpic` cannot be evaluated: `input` has no `tpic`. If it may be absent, write `has(input.tpic)` or `input.?tpic.orValue(…)`."),
            ("steps.review.output.scor > 1", "`steps.review.output` has no `scor`"),
            ("input['a b']", "`input` has no `a b`. If it may be absent, write `input[?\"a b\"].orValue(…)`."),
            ("input[vars.key + 'x']", "`input` has no such key. If it may be absent, write `input[?key].orValue(…)`."),
            ("input.nothing.a", "`input.nothing` is null, which has no `a`"),
            ("input.nothing[0]", "`input.nothing` is null, which has no `0`. If it may be absent, write `input.nothing[?0].orValue(…)`."),
            ("input[1]", "`input` has no `1`. The names of its fields are strings: `input['1']`."),
            ("input[input.list[0]]", "`input` has no such key. The names of its fields are strings: `input[string(key)]`."),
            ("{{input.1}}", "`input` has no `1`. If it may be absent, write `input[?\"1\"].orValue(…)`."),
            ("{{input.list.7}}", "`input.list` has no item 7."),
            ("[dyn({'a': 1})].map(x, {{x.0}})", "`x` has no `0`. If it may be absent, write `x[?\"0\"].orValue(…)`."),
            ("{{input.nothing.0}}", "`input.nothing` is null, which has no `0`. If it may be null, write `input.nothing != null ? … : …`."),
            ("input.topic.a", "`input.topic` is a string, which has no fields."),
            ("input.topic.length", "Its length is `size(input.topic)`."),
            ("input.list.length", "`input.list` is a list, which has no fields. Its length is `size(input.list)`."),
            ("input.list.name", "`input.list.map(x, x.name)`"),
            ("input.list[7]", "`input.list` has no item 7. If it may be absent, write `input.list[?7].orValue(…)`."),
            ("input.list[size(input.list)]", "`input.list` has no such item. If it may be absent, write `input.list[?index].orValue(…)`."),
            ("input.list[vars.key]", "`input.list` is a list, which has no fields. Use an item"),
            ("input.list.map(x, x.a)", "`x` is an integer, which has no fields."),
            ("[{'a': 1}].map(x, x.b)", "`x` has no `b`"),
            ("{'a': 1}.b", "a value has no `b`"),
            ("has(input.topic.a)", "`input.topic` is a string"),
            ("input.?nothing.a.orValue(1)", "is null, which has no `a`. If it may be absent, write `has(….a)` or `….?a.orValue(…)`."),
            ("input.?topic.a", "is a string, which has no fields."),
            ("input.topic.?a", "is a string, which has no fields."),
            ("input.list[?'a']", "is a list, which has no fields."),
            ("item.name", "`item` exists only inside a `for_each`."),
            ("index", "`index` exists only inside a `for_each`."),
            ("input.nothing + 1", "`+` cannot be applied to null and an integer. If a value may be null, check it first"),
            ("dyn(input.?topic) + 'a'", "Use the value inside: `.orValue(…)`."),
            ("vars.limit && true", "`&&` needs true or false, but got an integer. Compare the value"),
            ("dyn(input.?topic) ? 1 : 2", "Give a fallback: `.orValue(false)`."),
            ("dyn(input.?topic) || false", "Give a fallback: `.orValue(false)`."),
            ("input.topic.orValue('a')", "`orValue` needs an optional value. Write `.?` before the last name: `input.?topic.orValue(…)`."),
            ("input.topic.hasValue()", "`input.?topic.hasValue()`."),
            ("input.?absent.value()", "the optional value is empty"),
            ("input.topic.exists(x, true)", "`exists` needs a list or an object, but got a string."),
            ("input.list.filter(x, x)", "`filter` needs true or false, but got an integer."),
            ("[1, 'a'].map(x, {x: 1, 'a': 2})[1]", "the same key twice"),
            ("{input.list: 1}", "the keys of an object must be strings, but one is a list."),
            ("{dyn(1.0): 1}", "the keys of an object must be strings, but one is a double."),
            ("input.topic.matches(input.topic + '(')", "`(` has no closing `)`."),
            ("9223372036854775807 + vars.limit", "Compute with `double(x)`."),
            ("vars.limit / 0", "division by zero"),
            ("vars.limit in input.topic", "To search in a string, use `text.contains('a')`."),
            ("int(dyn(true))", "`int` cannot be applied to a boolean."),
        ],
    )  # fmt: skip
    def test_the_message_says_what_to_write(self, text, message):
        assert message in failure(text)

    def test_a_root_that_is_not_there_is_named(self):
        assert "`run` is not available here" in failure("run.id", {})

    def test_a_long_expression_is_shown_shortened_and_on_one_line(self):
        message = failure("input.absent ==\n\n" + "'y'" + " + 'x'" * 20)

        assert message.startswith("`input.absent == 'y' + 'x' + ")
        assert len(message.partition("…`")[0]) == 80
        assert "\n" not in message

    @pytest.mark.parametrize(
        "text",
        ["input[input.secret]", "input.list[input.secret]", "input.secret + 1", "int(input.secret)", "{}[input.secret]",
         "timestamp(input.secret)", "timestamp(0).getHours(input.secret)", "'a'.matches('(' + input.secret)",
         "input.secret.secret", "bool(input.secret)", "[input.secret][1]", "input.secret ? 1 : 2"],
    )  # fmt: skip
    def test_what_values_hold_is_never_shown(self, text):
        context = {"input": {"secret": "s3cr3t-value", "list": []}}

        assert "s3cr3t" not in failure(text, context)


class TestDecide:
    @pytest.mark.parametrize(
        ("text", "holds"), [("vars.limit == 8", True), ("vars.limit > 8", False)]
    )
    def test_it_tells_whether_a_condition_holds(self, text, holds):
        assert Expression.compile(text).decide(CONTEXT) is holds

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "input.topic",
                "a condition must be true or false, but this is a string. Compare the value: `x != ''`",
            ),
            ("vars.limit", "this is an integer"),
            ("input.nothing", "this is null. Compare the value"),
            ("input.?topic", "this is an optional value. Give a fallback: `.orValue(false)`."),
            ("input.list", "this is a list. Compare the value"),
            ("input.absent", "`input` has no `absent`"),
        ],
    )
    def test_anything_else_is_refused_with_a_hint(self, text, message):
        with pytest.raises(ExpressionError) as caught:
            Expression.compile(text).decide(CONTEXT)

        assert message in caught.value.message

    @pytest.mark.parametrize(
        ("text", "may"),
        [("input.a", True), ("1 == 2", True), ("1 + 2", False), ("'a'", False), ("[true]", False)],
    )
    def test_it_is_known_beforehand_what_can_never_decide(self, text, may):
        assert Expression.compile(text).may_decide is may
