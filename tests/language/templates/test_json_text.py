import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.core.json import Json, dumps
from stepiq.language.templates import RenderMeter, TemplateLimit
from stepiq.language.templates.values import AT_ONCE, to_json
from tests.support.pace import cpu_limit

MANY = 2 * AT_ONCE
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x if x % 1 else int(x))
    | st.text()
)
SMALL = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
AROUND = {
    "in a list": lambda value: [1, value, "x"],
    "in an object": lambda value: {"a": [], "b": value, "c": {}},
    "many in a list": lambda value: [value] * MANY,
    "many in an object": lambda value: {str(index): value for index in range(MANY)},
}


class TestToJson:
    @pytest.mark.slow
    @settings(max_examples=30)
    @given(SMALL, st.permutations(sorted(AROUND)), st.sampled_from([0, 100_000]))
    def test_it_is_what_the_encoder_gives_in_one_go(self, value, around, length):
        large = 0
        for each in around:
            large += each.startswith("many")
            # Many of many would be more than may be.
            value = AROUND[each](value) if large < 2 else [value]
        value = ["x" * length, value, {"y" * length: value}]

        assert to_json(value, RenderMeter()) == dumps(value)

    @pytest.mark.parametrize(
        "value",
        [
            list(range(MANY)),
            [[], {}, "x" * 200_000, [[1] * MANY, 2], "y"],
            {"a": [1] * MANY, "b": 2, "c": {"d" * 200_000: 1}, "e": {}},
            {"a": "x" * 200_000, "b": {str(index): index for index in range(MANY)}},
            [{"k": [None]}] * MANY,
        ],
    )
    def test_a_large_value_is_put_together_without_a_seam(self, value):
        assert to_json(value, RenderMeter()) == dumps(value)

    @pytest.mark.slow
    def test_the_work_is_charged_before_it_is_done(self):
        # Encoding all of it takes some hundred milliseconds.
        value: Json = [[*[0] * 1_000_000]]

        with cpu_limit(2), pytest.raises(TemplateLimit):
            to_json({str(index): value for index in range(100)}, RenderMeter())

    def test_much_is_encoded_in_many_parts(self):
        spent: list[float] = []

        def pause() -> None:
            spent.append(time.process_time())

        to_json([{"a": index} for index in range(20_000)], RenderMeter(pause=pause))

        assert len(spent) > 20
