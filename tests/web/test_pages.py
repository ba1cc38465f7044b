from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.web.errors import CursorInvalid
from stepiq.web.pages import PageRequest, decode_cursor, encode_cursor

pytestmark = pytest.mark.one_store


class TestCursor:
    @given(st.uuids())
    def test_it_comes_back_as_the_id_it_was_made_of(self, last):
        assert decode_cursor(encode_cursor(last)) == last

    @given(st.text(max_size=70))
    def test_any_other_text_is_refused_or_is_one(self, text):
        try:
            last = decode_cursor(text)
        except CursorInvalid:
            return

        assert encode_cursor(last) == text

    @pytest.mark.parametrize("text", ["", "x", "=", "é", "A" * 22 + "=", "A" * 21 + "B", "A" * 23])
    def test_near_misses_are_refused(self, text):
        with pytest.raises(CursorInvalid):
            decode_cursor(text)


class TestPage:
    def test_a_full_page_with_more_behind_it_has_a_cursor(self):
        rows = [UUID(int=3), UUID(int=2), UUID(int=1)]

        page = PageRequest(limit=2, before=None).page(rows, str, lambda row: row)

        assert page.data == [str(UUID(int=3)), str(UUID(int=2))]
        assert page.next_cursor == encode_cursor(UUID(int=2))

    def test_the_last_page_has_none(self):
        rows = [UUID(int=2), UUID(int=1)]

        assert (
            PageRequest(limit=2, before=None).page(rows, str, lambda row: row).next_cursor is None
        )

    def test_an_empty_list_is_an_empty_page(self):
        page = PageRequest(limit=2, before=None).page([], str, lambda row: row)

        assert page.data == []
        assert page.next_cursor is None


class TestPageQuery:
    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=1e3"])
    async def test_a_limit_outside_of_its_range_is_refused(self, owner, query):
        response = await owner.get(f"/api/user/api-keys?{query}")

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_query"
        assert response.json()["errors"][0]["path"] == "limit"

    async def test_a_made_up_cursor_is_refused(self, owner):
        response = await owner.get("/api/user/api-keys?cursor=nonsense")

        assert response.status_code == 422
        assert response.json()["code"] == "cursor_invalid"

    async def test_following_cursors_visits_every_row_once_newest_first(self, owner, account, make):
        made = [(await make.api_key(account)).id for _ in range(5)]
        seen, cursor = [], ""
        while cursor is not None:
            query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
            page = (await owner.get(f"/api/user/api-keys{query}")).json()
            seen += [row["id"] for row in page["data"]]
            cursor = page["next_cursor"]

        assert seen == [str(key_id) for key_id in reversed(made)]
