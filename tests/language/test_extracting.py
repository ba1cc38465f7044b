from contextlib import suppress
from typing import Any

import jsonpath_rfc9535
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.json import Json
from stepiq.language.expressions.values import EvaluationMeter
from stepiq.language.templates import OverBudget
from stepiq.steps.transform.jsonpath import ExtractError, Query, QuerySyntaxError
from tests.support.pace import cpu_limit

SHOP: dict[str, Any] = {
    "items": [
        {"n": 1, "price": 5, "name": "ab", "tags": ["x"]},
        {"n": 2, "price": 15.5, "name": "cd", "tags": []},
        {"n": 3, "inner": {"price": 7}, "name": None},
    ],
    "list": [1, 2, 3, 4, 5],
    "two words": "é",
    "mixed": [True, 1, 1.0, "1", None, [1], [True], {"a": 1}],
    "limit": 10,
    "large": [10**309, -(10**309), 1.5],
}

QUERIES = r"""
$
$.items[*].n
$.items[*]['n', 'name']
$..price
$..*
$..[0]
$..[?@.price]
$.list[0]
$.list[-1]
$.list[9]
$.list[-9]
$.list[1:3]
$.list[:2]
$.list[::-1]
$.list[-2:]
$.list[0:9:0]
$.list[0, 0, 2]
$.list.*
$['two words']
$["two words"]
$.nope
$.items.nope
$.limit.nope
$.limit[0]
$.limit[0:1]
$.limit.*
$.limit[?@ > 1]
$.items[?@.price > 6].n
$.items[?@.price >= 15.5].n
$.items[?@.price < 6].n
$.items[?@.price <= 5].n
$.items[?@.price != 5].n
$.items[?@.price == $.list[4]].n
$.items[?@.price > $.limit].n
$.items[?@.name == 'ab'].n
$.items[?@.name < 'b'].n
$.items[?@.name == null].n
$.items[?@.inner.price == 7].n
$.items[?@.price].n
$.items[?!@.price].n
$.items[?@.price && @.n == 1].n
$.items[?@.price > 10 || @.inner].n
$.items[?(@.price > 1 && @.n < 2) || @.inner].n
$.items[?@.a == @.b].n
$.items[?@.a != @.price].n
$.items[?@.tags[?@ == 'x']].n
$.items[?$.limit].n
$.items[?$.nope].n
$.items[?length(@.name) > 1].n
$.items[?length(@.tags) == 1].n
$.items[?length(@) == 4].n
$.items[?length(@.n) == 1].n
$.items[?count(@.*) == 4].n
$.items[?value(@..price) == 7].n
$.items[?value(@.*) == 7].n
$.items[?match(@.name, 'a.')].n
$.items[?match(@.name, 'a')].n
$.items[?search(@.name, 'd')].n
$.items[?search(@.n, 'd')].n
$.items[?search(@.name, @.name)].n
$.items[?!search(@.name, 'd')].n
$.mixed[?@ == 1]
$.mixed[?@ == true]
$.mixed[?@ == '1']
$.mixed[?@ == null]
$.mixed[?@ > 0]
$.mixed[?1 == 1]
$.mixed[?@.a]
""".strip().splitlines()


def refused(text: str) -> QuerySyntaxError:
    with pytest.raises(QuerySyntaxError) as caught:
        Query.compile(text)
    assert caught.value.code == "jsonpath_syntax"
    return caught.value


class TestAll:
    @pytest.mark.parametrize("text", QUERIES)
    def test_it_gives_what_the_reference_gives(self, text):
        assert Query.compile(text).all(SHOP) == jsonpath_rfc9535.find(text, SHOP).values()

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("$.mixed[?@ == $.mixed[6]]", [[True]]),
            ("$.items[?search(@.name, '(')].n", []),
            ("$.items[?search('\\ud83d\\ude00', @.name)].n", []),
            ("$.large[?@ == 1.5]", [1.5]),
            ("$.large[?@ >= 1.5]", [10**309, 1.5]),
        ],
    )
    def test_it_keeps_to_the_standard_where_the_reference_does_not(self, text, found):
        if "'('" in text:
            assert "has no closing" in refused(text).message
        else:
            assert Query.compile(text).all(SHOP) == found

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("a.c", ["axc", "a.c"]),
            ("(a.c)|a.+c", ["axc", "a.c"]),
            (r"a\.c", ["a.c"]),
            (r"a\\.c", []),
            (r"a\Q.\Ec", ["a.c"]),
            ("a[.]c", ["a.c"]),
            ("a[]x.]c", ["axc", "a.c"]),
            ("a[[:alpha:].]c", ["axc", "a.c"]),
            ("a[^.]c", ["a\nc", "a\rc", "axc"]),
        ],
    )
    def test_the_dot_of_a_pattern_is_any_character_but_a_line_break(self, pattern, found):
        value = {"texts": ["a\nc", "a\rc", "axc", "a.c"], "pattern": pattern}

        assert Query.compile("$.texts[?match(@, $.pattern)]").all(value) == found
        literal = pattern.replace("\\", "\\\\")
        assert Query.compile(f"$.texts[?search(@, '{literal}')]").all(value) == found

    def test_a_pattern_in_the_data_that_cannot_be_used_matches_nothing(self):
        value: Json = [
            {"text": "a(", "pattern": "("},
            {"text": "\ud800", "pattern": "a"},
            {"text": "a", "pattern": "a"},
        ]

        assert Query.compile("$[?search(@.text, @.pattern)].text").all(value) == ["a"]

    def test_nothing_is_copied(self):
        assert Query.compile("$.items[0]").all(SHOP)[0] is SHOP["items"][0]

    def test_what_looks_like_a_tag_is_data(self):
        assert Query.compile("$..a").all([{"a": "{{env.KEY}}"}]) == ["{{env.KEY}}"]


class TestFirst:
    @pytest.mark.parametrize(
        ("text", "found"),
        [("$.items[*].n", 1), ("$.nope", None), ("$.items[2].name", None), ("$..price", 5)],
    )
    def test_it_gives_the_first_or_nothing(self, text, found):
        assert Query.compile(text).first(SHOP) == found


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "column", "message"),
        [
            ("", 1, "A path must start with `$`"),
            ("items[0]", 1, "A path must start with `$`"),
            ("@.a", 1, "A path must start with `$`"),
            ("{{input.a}}", 1, "A path must start with `$`"),
            ("$ ", 3, "Remove the space at the end."),
            ("$.a b", 5, "Write a dot before a field"),
            ("$a", 2, "Write a dot before a field"),
            ("$.a.b()", 6, "Write a dot before a field"),
            ("$.1st", 3, "Write a name with special characters"),
            ("$.", 3, "A name, a value or `*` is missing here"),
            ("$..", 4, "Write a name or `*` after `..`"),
            ("$...a", 4, ""),
            ("$['a", 4, "This string has no closing quote"),
            ("$[0", 4, "A bracket is not closed."),
            ("$[first]", 3, "Brackets must contain a name in quotes"),
            ("$[,]", 3, "Brackets must contain a name in quotes"),
            ("$[]", 2, "Brackets must contain a name in quotes"),
            ("$[1,]", 5, "Remove the comma."),
            ("$[01]", 3, "without leading zeros"),
            ("$[99999999999999999999]", 3, "This index is too large."),
            ("$['\\q']", 4, "This escape sequence does not exist."),
            ("$['\x01']", 4, "Write a control character as an escape"),
            ("$[?@.a = 1]", 8, "`=` is not an operator. Compare with `==`."),
            ("$[?@.a == 1 and @.b]", 13, "Write `&&` instead of `and`."),
            ("$[?@.a or @.b]", 8, "Write `||` instead of `or`."),
            ("$[?not @.b]", 4, "Write `!` instead of `not`."),
            ("$[?@.a in ['x']]", 8, "`in` is not an operator."),
            ("$[?@.a =~ 'x']", 8, "For a pattern, use"),
            ("$[?@.a + 1 == 2]", 8, "A filter cannot contain this."),
            ("$[?true]", 4, "A literal value is not a condition."),
            ("$[?count(@.*)]", 3, "Compare the result of this function"),
            ("$[?match(@.a, 'x') == true]", 1, "Remove the comparison"),
            ("$[?@.* == 1]", 8, "Only a path to a single value can be compared"),
            ("$[?len(@.a) > 1]", 4, "This function does not exist."),
            ("$[?length(@.*) > 1]", 4, "The arguments of this function are wrong."),
            ("$[?length() > 1]", 4, "The arguments of this function are wrong."),
            ("$[?@.a == 01]", 11, "without leading zeros"),
            ("$[?@.a == 1e999]", 1, "a number that is too large"),
            ("$[?match(@.a, '(')]", 16, "`(` has no closing `)`."),
            ("$[?@.b[?search(@.a, '[')]]", 22, "`[` has no closing `]`."),
            ("$[?search(@.a, '[.')]", 17, "`[` has no closing `]`."),
            ("$[?" + "!" * 900 + "@.a]", 1, "exceeds the maximum depth of 64 levels"),
            ("$[?" + "!" * 100 + "@.a]", 67, "exceeds the maximum depth of 64 levels"),
            ("$" + "[?@" * 80 + "]" * 80, 100, "exceeds the maximum depth of 64 levels"),
            ("$" + ".a" * 500, 1001, "at most 1,000 characters"),
            ("$['\ud800']", 4, "half of a surrogate pair"),
        ],
    )  # fmt: skip
    def test_each_names_its_place_and_says_what_to_write(self, text, column, message):
        error = refused(text)

        assert message in error.message
        assert (error.line, error.column) == (1, column)

    def test_lines_are_counted(self):
        error = refused("$.a\n[?@.b = 1]")

        assert (error.line, error.column) == (2, 7)


def nest(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"a": value, "b": [value] if level < 12 else 1}
    return value


DEEP = nest(90)
WIDE: Json = [{"a": n, "b": "x" * 20, "c": [1, 2, 3]} for n in range(15_000)]


class TestLimits:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("$..*..*..*", DEEP),
            ("$..*..*..x", DEEP),
            ("$..[?@..a]", DEEP),
            ("$" + "..*" * 20, nest(30)),
            ("$[?count($..*) > 1]", WIDE),
            ("$[?@ == $[0]]", [[0] * 1_000] * 2_000),
            ("$[?search(@.b, 'x{100}y')]", WIDE),
            ("$[?search(@.b, @.b)]", [{"b": f"{n}"} for n in range(1_000)]),
            ("$" + "[*,*]" * 40, nest(50)),
            ("$[?@ < $[0]]", ["x" * 10_000] * 10_000),
        ],
    )
    def test_hostile_work_ends_at_its_limit(self, text, value):
        query = Query.compile(text)

        with cpu_limit(1), pytest.raises(ExtractError) as caught:
            query.all(value)

        assert caught.value.code == "expression_error"
        assert "it needs more than 300,000 operations" in caught.value.message

    @pytest.mark.parametrize("text", ["$..*", "$", "$[*]"])
    def test_a_long_result_is_refused(self, text):
        with cpu_limit(0.5), pytest.raises(ExtractError, match="larger than 1,048,576 bytes"):
            Query.compile(text).all([["x" * 600_000], ["y" * 600_000]])

    def test_checking_the_result_is_work(self):
        value: dict[str, Any] = {"l": [[1]] * 600}

        with pytest.raises(OverBudget):
            Query.compile("$.l").all(value, meter=EvaluationMeter(budget=500))

    def test_a_long_path_is_shown_shortened(self):
        with pytest.raises(ExtractError) as caught:
            Query.compile("$" + "..*" * 100).all(DEEP)

        assert caught.value.message.startswith("`$" + "..*" * 26 + ".…`")

    @pytest.mark.parametrize(
        ("text", "count"),
        [("$..a", 15_000), ("$[?@.a > 5].b", 14_994), ("$[*].c[0]", 15_000), ("$..zz", 0)],
    )
    def test_ordinary_work_on_large_data_is_done(self, text, count):
        with cpu_limit(1):
            assert len(Query.compile(text).all(WIDE)) == count


TOKENS = st.sampled_from(
    ["$", "@", ".", "..", "*", "[", "]", "?", "(", ")", "a", "'a'", '"b"', "0", "-1", ":", ",", "==", "!=", "<", ">=", "&&", "||",
     "!", "1", "1.5", "1e9", "true", "null", "length(", "count(", "match(", "search(", "value(", " ", "[?@.a", "$.a", "@.b", "=", "and"]
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-2, 2)
    | st.sampled_from(["", "a", "b", "ab"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)
STEPS = st.sampled_from(
    [".a", ".b", "[0]", "[-1]", "[*]", ".*", "..a", "..*", "[1:]", "[::-1]", "['a','b']", "[?@.a]", "[?@.a == 1]", "[?@.a < @.b]",
     "[?@.a == 'a' || !@.b]", "[?@ == 1]", "[?length(@.a) == 1]", "[?count(@.*) > 1]", "[?value(@.a) != 2]", "[?match(@.a, 'a.?')]",
     "[?@.a >= 1 && @.b <= 2]", "[?$.a == @.a]", "[?@[?@.a]]"]
)  # fmt: skip


class TestQueries:
    @given(st.text(max_size=40) | st.lists(TOKENS, max_size=14).map("".join), VALUES)
    def test_any_text_is_a_path_or_is_refused(self, text, value):
        with suppress(QuerySyntaxError, ExtractError):
            assert isinstance(Query.compile(text).all(value), list)

    @given(st.lists(STEPS, max_size=4).map(lambda steps: "$" + "".join(steps)), VALUES)
    def test_it_gives_what_the_reference_gives(self, text, value):
        assert Query.compile(text).all(value) == jsonpath_rfc9535.find(text, value).values()
