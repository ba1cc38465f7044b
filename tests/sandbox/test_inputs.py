import asyncio
import json as plain_json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.json import Json
from stepiq.sandbox.limits import MAX_INPUT_BYTES
from stepiq.sandbox.sandbox import InputTooLarge, encode

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)  # fmt: skip


class TestEncode:
    @pytest.mark.slow
    @given(values)
    def test_it_writes_what_plain_json_is(self, value: Json):
        written = asyncio.run(encode(value))

        # Floats have more than one form, such as 5e-05 and 0.00005.
        assert plain_json.dumps(plain_json.loads(written)) == plain_json.dumps(value)

    async def test_a_large_value_leaves_others_their_turn(self):
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(take_turns())
        await encode({"steps": {f"s{n}": {"output": "x" * 100_000} for n in range(30)}})
        other.cancel()

        assert turns > 5

    async def test_many_small_values_leave_others_their_turn(self):
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(take_turns())
        await encode([1 for _ in range(20_000)])
        other.cancel()

        assert turns > 5

    async def test_exactly_the_limit_is_written(self):
        assert len(await encode("x" * (MAX_INPUT_BYTES - 2))) == MAX_INPUT_BYTES

    async def test_a_byte_more_is_refused(self):
        with pytest.raises(InputTooLarge):
            await encode("x" * (MAX_INPUT_BYTES - 1))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), ["\ud800"], {"\udc00": 1}])
    async def test_what_is_no_json_is_refused(self, value: Json):
        with pytest.raises(ValueError):  # noqa: PT011 - of three kinds, all of them this one
            await encode(value)
