"""CEL's meaning, compared with what CEL's own implementation makes of the same expression."""

import pytest

from stepiq.language.expressions import Expression, ExpressionError
from tests.language.expressions import oracle

CONTEXT = {
    "input": {
        "a": 1,
        "f": 1.5,
        "s": "x",
        "n": None,
        "b": True,
        "l": [1, 2.5, "x", None],
        "m": {"k": 1},
        "e": [],
        "items": [{"id": 1, "tags": ["a", "b"]}, {"id": 2, "tags": []}],
    }
}

SAME = r"""
1 + 2
7 - 10
6 * 7
1 + 1.5
1.5 - 2
2u * 1.5
1 + 2u
7 / 2.0
7.0 / 2
input.a + input.f
input.f / input.a
size(input.l) * 1.5
[1] + [2.5]
1 == 1.0
1u != 1
[1] == [1.0]
1 < 1.5
2u >= 1.5
dyn(9007199254740993) == 9007199254740992.0
dyn(9007199254740993) > 9007199254740992.0
dyn(9223372036854775807) < 9223372036854775808.0
dyn(18446744073709551615u) == dyn(18446744073709551616.0)
9007199254740993 in [9007199254740992.0]
1 in [1.5, 1.0]
1.0 in {1: 'a'}
input.b ? 1 : 1.5
-5 / 2
-5 % 2
5 % -2
5.0 / 2.0
5u / 2u
7u % 4u
2u + 3u
1.5 - 0.25
-input.f
-input.a
'a' + 'b'
[1, 2] + [3]
dyn([1]) + dyn(['a'])
size(b'abc' + bytes('d'))
input.a == 1
input.a == 1.0
input.a == input.b
input.a != 2
dyn('1') == dyn(1)
dyn([1, [2]]) == dyn([1.0, [2]])
dyn({'a': 1}) == dyn({'a': 1.0})
dyn({'a': 1}) == dyn({'b': 1})
dyn({'a': 1}) == dyn({'a': 1, 'b': 2})
dyn({true: 1}) == dyn({1: 1})
dyn({1: 1}) == dyn({1u: 1})
dyn([1]) == dyn([1, 2])
dyn([1]) == dyn({'a': 1})
input.n == null
null == input.a
0.0 / 0.0 == 0.0 / 0.0
[0.0 / 0.0] == [0.0 / 0.0]
b'a' == b'a'
dyn(b'a') == dyn('a')
optional.of(1) == optional.none()
optional.of(1) == optional.of(1)
optional.none() == optional.none()
dyn(1) < dyn(1.5)
dyn(-1) < dyn(1u)
dyn(1u) < dyn(1)
dyn(0.0 / 0.0) < dyn(1)
dyn(1) >= dyn(0.0 / 0.0)
2 <= 2
3 > 2
3 >= 4
'a' < 'b'
'a' < 'é'
'\U0001F600' < '\uFFFD'
true < false
b'a' < b'b'
timestamp(1) < timestamp(2)
duration('1s') < duration('2s')
true && false
input.b && !input.b
true || false
dyn(1) && false
true || dyn(1)
1 / 0 > 0 || true
true || 1 / 0 > 0
1 / 0 > 0 && false
input.b ? 'yes' : 'no'
true ? 1 : 1 / 0
!input.b
1 in [1, 2]
1.0 in input.l
null in input.l
'x' in input.l
[1] in [[1]]
[2] in [[1]]
'k' in input.m
'z' in input.m
dyn(1) in input.m
dyn(1.0) in {1: 1}
dyn(1u) in {1: 1}
dyn(1.5) in {1: 1}
dyn(true) in {true: 1}
dyn(1) in {true: 1}
input.l[0]
input.l[dyn(1.0)]
input.l[dyn(1u)]
input.m['k']
input["m"]["k"]
input.items[1].id
{1: 2}[dyn(1.0)]
{1u: 2}[dyn(1)]
{true: 2}[true]
{'a': 1}.a
[[1, 2], [3]][0][1]
has(input.a)
has(input.zz)
has(input.m.k)
has({'a': 1}.a)
has(input.?m.k)
has(input.?zz.k)
input.?a.orValue(3)
input.?zz.orValue(3)
input.?m.k.orValue(0)
input.?m.zz.orValue(0)
input.?zz.k.orValue(0)
input.?m['k'].orValue(0)
input.?l[0].orValue(9)
input.l[?0].orValue(9)
input.l[?9].orValue(9)
input.m[?'k'].orValue(9)
input.m[?dyn(1)].orValue(9)
input.?zz.or(input.?a).orValue(9)
input.?a.or(optional.none()).orValue(9)
input.?zz.hasValue()
input.?a.hasValue()
input.?a.value()
optional.of(optional.none()).value().orValue(4)
optional.none()
optional.ofNonZeroValue('')
optional.ofNonZeroValue(0)
optional.ofNonZeroValue([])
optional.ofNonZeroValue({})
optional.ofNonZeroValue(null)
optional.ofNonZeroValue(false)
optional.ofNonZeroValue(0.0)
optional.ofNonZeroValue(duration('0s'))
optional.ofNonZeroValue(timestamp(0))
optional.ofNonZeroValue(optional.none()).hasValue()
optional.ofNonZeroValue(int).hasValue()
optional.ofNonZeroValue(5).orValue(1)
[?input.?zz, 1, ?input.?a]
{?'a': input.?a, ?'z': input.?zz, 'c': 3}
[1, 2].first().orValue(0)
[1, 2].last().orValue(0)
input.l.first().orValue(0)
input.e.first().orValue(0)
[1, 2, 3].all(x, x > 0)
[1, 2, 3].all(x, x > 1)
[].all(x, false)
[1, 2].exists(x, x == 2)
[1, 2].exists(x, x == 3)
[].exists(x, true)
[1, 2, 2].exists_one(x, x == 2)
[1, 2].exists_one(x, x == 2)
[1, 2, 3].map(x, x * 2)
[1, 2, 3].map(x, x > 1, x * 2)
[1, 2, 3].filter(x, x != 2)
input.m.map(k, k)
input.m.exists(k, k == 'k')
{true: 1, 2: 1}.map(k, string(k)).size()
[1, 0].exists(x, 1 / x > 0)
[0, 1].exists(x, 1 / x > 0)
[0, -1].all(x, 1 / x > 0)
[[1, 2], [3]].map(x, x.map(y, y + size(x)))
[1, 2].map(x, [3, 4].map(x, x))
[1, 2].map(x, [3].map(x, x)[0] + x)
input.items.map(i, i.tags.map(t, t + string(i.id)))
input.items.filter(i, i.tags.exists(t, t == 'b')).map(i, i.id)
input.l.map(x, type(x) == int)
size('é😀')
size(input.l)
input.m.size()
''.size()
input.s.contains('x')
'abc'.startsWith('ab')
'abc'.endsWith('bc')
'abc'.contains('d')
'abc'.matches('^a.c$')
matches('aXb', 'X')
'a'.matches('A(?i)')
type(input.n) == null_type
type(input.a) == type(1)
type(1.0) == double
type(1u) == uint
type([]) == list
type({}) == map
type(input.l) == list
type(b'') == bytes
type(int) == type
type(timestamp(0)) == google.protobuf.Timestamp
type(duration('1s')) == google.protobuf.Duration
type(optional.none()) == optional_type
dyn(int) == dyn(1)
int('42')
int(' -7')
int(1.9)
int(-1.9)
int(5u)
int(timestamp('2024-01-01T00:00:00.9Z'))
int(timestamp('1969-12-31T23:59:59.5Z'))
uint('5')
uint(1.9)
uint(7u)
double('1.5e3')
double(3)
double(2u)
double('-.5')
string(1)
string(-1.5)
string(1e300)
string(3.0)
string(true)
string('a')
string(7u)
string(b'abc')
string(timestamp(0))
string(timestamp('2024-01-01T00:00:00.1Z'))
string(timestamp('2024-01-01T00:00:00.123456Z'))
string(timestamp('2024-01-01T00:00:00.123456789Z'))
string(duration('90m'))
string(duration('-1.5s'))
string(duration('1ns'))
bool('true')
bool('f')
bool(true)
bytes(b'a') == b'a'
timestamp('2024-01-01T00:00:00+02:00')
timestamp('2024-01-01t00:00:00z')
timestamp(timestamp(5))
timestamp(0) + duration('1s')
duration('1s') + timestamp(5)
timestamp(5) - duration('1s')
timestamp(0) - timestamp(1)
timestamp('2262-04-11T23:47:16Z') - timestamp(0)
int(-9223372036854774784.0)
duration('1h') + duration('30m')
duration('1h') - duration('90m')
duration('1.5h')
duration('+1h')
duration('.5m')
duration('1.s')
duration('100ms1s')
duration(duration('1s'))
duration('90m').getHours()
duration('-90m').getHours()
duration('90m').getMinutes()
duration('90m').getSeconds()
duration('1.234s').getMilliseconds()
duration('-1.234s').getMilliseconds()
timestamp('2024-05-06T07:08:09.123Z').getFullYear()
timestamp('2024-05-06T07:08:09.123Z').getMonth()
timestamp('2024-05-06T07:08:09.123Z').getDate()
timestamp('2024-05-06T07:08:09.123Z').getDayOfMonth()
timestamp('2024-05-05T07:08:09.123Z').getDayOfWeek()
timestamp('2024-05-06T07:08:09.123Z').getDayOfYear()
timestamp('2024-05-06T07:08:09.123Z').getHours()
timestamp('2024-05-06T07:08:09.123Z').getMinutes()
timestamp('2024-05-06T07:08:09.123Z').getSeconds()
timestamp('2024-05-06T07:08:09.123Z').getMilliseconds()
timestamp('2024-05-06T07:08:09Z').getHours('+05:30')
timestamp('2024-05-06T07:08:09Z').getMinutes('05:30')
timestamp('2024-05-06T07:08:09Z').getHours('-8:00')
timestamp('2024-05-06T07:08:09Z').getHours('America/New_York')
timestamp('2024-05-06T07:08:09Z').getHours('')
'\a\b\f\n\r\t\v\\\?\"\'\`\101\x41\u0041\U00000041'
r'\n' + "it's" + '''a"b''' + R"\d"
0xFF
-0x10
1e3
.5
9223372036854775807
-9223372036854775808
input.`a` // a comment
{'b': 1, 'a': [1, {'c': null}]}
""".strip().splitlines()

FAILING = r"""
9223372036854775807 + 1
9223372036854775807 * 2
int(-9223372036854775808.0)
int(9223372036854775808.0)
timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z')
timestamp('0001-01-01T00:00:00Z') - timestamp('9999-12-31T23:59:59Z')
timestamp('2262-04-11T23:47:17Z') - timestamp(0)
duration('9223372036s') + duration('1s')
duration('-9223372036s') - duration('1s')
-dyn(-9223372036854775808)
dyn(-9223372036854775808) / -1
1u - 2u
1 / 0
1 % 0
input.a / 0.0
0.0 / 0
dyn(5.0) % dyn(2.0)
dyn(5) % dyn(2.0)
dyn(5) % dyn(2u)
dyn({}) + dyn({})
input.s + input.n
input.s + input.a
!input.a
-input.s
-dyn(1u)
input.zz
input.a.b
input.n.x
input.l[9]
input.l[-1]
input.l['a']
input.l[dyn(1.5)]
input.m['z']
input.m[input.n]
input.a[0]
{true: 2}[dyn(1)]
{'k': dyn(null)}.?k.x.hasValue()
{'k': dyn(null)}.?k['x'].orValue(1)
{'k': dyn(null)}.?k[0].orValue(1)
optional.of(dyn(null)).x.hasValue()
{'k': {'l': dyn(null)}}.?k.l.x.hasValue()
input.a.?x
input.s.?x
input.l.?x
dyn([1]) in dyn({1: 1})
dyn({1: 1})[dyn([1])]
'a' in dyn('abc')
dyn(1) in {1.0: 1}
{dyn(1.5): 1}
dyn(1) < dyn('a')
dyn(1) < dyn(true)
null < null
dyn(1) && true
dyn(1) || false
true && 1 / 0 > 0
false || dyn(1)
dyn('x') ? 1 : 2
1 / 0 > 0 || false
[0, -1].exists(x, 1 / x > 0)
[0, 1].all(x, 1 / x > 0)
[1].all(x, dyn(1))
[1].exists(x, dyn(1))
[1].exists_one(x, dyn(1))
[1, 0].exists_one(x, 1 / x > 0)
[1].filter(x, dyn(1))
[1, 0].map(x, 1 / x)
input.s.map(x, x)
input.n.all(x, x)
size(input.n)
size(input.a)
input.a.contains('x')
input.s.startsWith(input.n)
input.s.matches(input.n)
input.s.matches('(' + input.s)
int('0x1')
int('1.5')
int('')
int('9223372036854775808')
int(1e30)
int(0.0 / 0.0)
int(dyn([]))
uint(-1)
uint('-1')
double('1_0')
double('')
double(dyn(true))
string(dyn(null))
string(b'\xff')
bytes(dyn(1))
bool('yes')
bool(dyn(1))
timestamp('2024-01-01')
timestamp('2024-13-01T00:00:00Z')
timestamp('2024-01-01T00:00:00')
timestamp('2024-01-01T24:00:00Z')
timestamp('0000-01-01T00:00:00Z')
timestamp(253402300800)
timestamp(dyn(1.5))
timestamp(0) - duration('100000000h')
timestamp('9999-12-31T23:59:59Z') + duration('1s')
timestamp(0) + dyn(1)
duration('1')
duration('1d')
duration('')
duration('1h-30m')
duration('315576000001s')
duration(dyn(1))
duration('315576000000s') + duration('1s')
timestamp(0).getHours('Nowhere')
timestamp(0).getHours('../../etc')
timestamp(0).getHours(dyn(1))
dyn(1).getHours()
dyn(duration('1s')).getFullYear()
dyn(duration('1s')).getHours('UTC')
bool('F')
optional.none().value()
input.a.orValue(2)
input.a.hasValue()
input.n.first()
item
index + 1
b'abc'
int
0.0 / 0.0
1.0 / 0.0
{1: 2}
[optional.of(b'')]
""".strip().splitlines()


class TestEvaluate:
    @pytest.mark.parametrize("text", SAME)
    def test_a_value_is_the_one_that_cel_gives(self, text):
        assert Expression.compile(text).evaluate(CONTEXT) == oracle.evaluate(text, CONTEXT)

    @pytest.mark.parametrize("text", FAILING)
    def test_what_has_no_value_in_cel_has_none(self, text):
        with pytest.raises(oracle.Refused):
            oracle.evaluate(text, CONTEXT)

        with pytest.raises(ExpressionError):
            Expression.compile(text).evaluate(CONTEXT)
