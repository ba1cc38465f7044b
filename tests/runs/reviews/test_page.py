"""The page behind a link, as a browser gets it, and its script in a JavaScript engine against a real server."""

import base64
import hashlib
import re

import pytest

from stepiq.core import clock
from tests.support.browser import visited

pytestmark = pytest.mark.one_store


@pytest.fixture
def visit(server, token):
    """Opens a link and does some things there; gives what the page shows then."""

    async def visit(review, *acts, fragment=None):
        fragment = token(review) if fragment is None else fragment
        return await visited(f"{server.url}/review#{fragment}", *acts)

    return visit


class TestPage:
    async def test_it_loads_nothing_and_runs_only_its_own_script(self, client):
        response = await client.get("/review")

        text, policy = response.text, response.headers["Content-Security-Policy"]
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert not re.search(r"\b(src|href|style|on\w+)=", text)
        for tag in ("script", "style"):
            [content] = re.findall(rf"<{tag}>(.*)</{tag}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy

    async def test_nothing_of_others_is_read_as_html(self, client):
        script = (await client.get("/review")).text.partition("<script>")[2]

        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function", script
        )


class TestLook:
    async def test_it_shows_what_is_asked_and_decides_nothing(self, visit, ask, row, token):
        review = await ask(message="<b>Fine?</b>", under_review={"a": [1]}, editable=False)

        page = await visit(review)

        assert page.asked == ["api/reviews/open"]
        assert page.form
        assert page.heading == "Greeting"
        assert page.shown["message"] == "<b>Fine?</b>"
        assert page.shown["content"] == '{\n  "a": [\n    1\n  ]\n}'
        assert "edited" not in page.shown
        assert "ada@example.com" in page.shown["about"]
        assert page.hash == f"#{token(review)}"
        assert (await row(review)).closed_at is None

    async def test_times_are_in_english_with_their_zone(self, visit, ask, row):
        review = await ask()

        page = await visit(review)

        until = clock.readable((await row(review)).expires_at)
        assert until.endswith(" UTC")
        assert page.shown["until"] == f"Please decide by {until}. The first decision counts."

    async def test_what_can_be_edited_is_in_a_field(self, visit, ask):
        page = await visit(await ask(under_review="One\nand two"))

        assert page.shown["edited"] == "One\nand two"
        assert "content" not in page.shown

    async def test_without_anything_under_review_there_is_the_message(self, visit, ask):
        page = await visit(await ask(editable=False))

        assert not {"content", "content-title", "edited"} & set(page.shown)
        assert page.shown["message"] == "Please check this."

    async def test_half_a_link_is_said_to_be_one(self, visit, ask):
        review = await ask()

        none = await visit(review, fragment="")
        half = await visit(review, fragment="abc")

        assert (none.form, none.asked, half.form) == (False, [], False)
        assert none.status.startswith("This link is incomplete")
        assert half.status.startswith("This link is not valid")

    async def test_a_closed_one_says_who_decided(self, visit, ask, client, token):
        review = await ask()
        await client.post(
            "/api/reviews/decide", json={"token": token(review, 1), "decision": "reject"}
        )

        page = await visit(review)

        assert (page.form, page.hash) == (False, "")
        assert "bob@example.com rejected it" in page.status


class TestDecide:
    @pytest.mark.parametrize(
        ("button", "said"), [("approve", "Approved."), ("reject", "Rejected.")]
    )
    async def test_a_button_decides(self, visit, ask, row, button, said):
        review = await ask(under_review="Line\r\nbreaks")

        page = await visit(review, ["write", "comment", " Well "], ["click", button])

        stored = await row(review)
        assert page.status.startswith(said)
        assert (page.form, page.hash) == (False, "")
        assert (stored.decision, stored.comment) == (button, "Well")
        # As it was, to the byte: nobody has edited it.
        assert stored.output == "Line\r\nbreaks"

    async def test_a_text_is_edited_as_text(self, visit, ask, row):
        review = await ask(under_review="Draft")

        await visit(review, ["write", "edited", 'Say "hello"\n'], ["click", "approve"])

        assert (await row(review)).output == 'Say "hello"\n'

    async def test_json_keeps_its_numbers(self, visit, ask, row):
        review = await ask(under_review={"id": 2**70, "score": 8.0, "text": "Draft"})
        edited = f'{{"id": {2**70}, "score": 8.0, "text": "Edited"}}'

        await visit(review, ["write", "edited", edited], ["click", "approve"])

        output = (await row(review)).output
        assert output == {"id": 2**70, "score": 8.0, "text": "Edited"}
        assert isinstance(output["score"], float)

    async def test_what_is_no_json_is_not_sent(self, visit, ask, row):
        review = await ask(under_review={"a": 1})

        page = await visit(review, ["write", "edited", "{a: 1}"], ["click", "approve"])

        assert page.form
        assert page.status.startswith("This is not valid JSON: ")
        assert page.asked == ["api/reviews/open"]
        assert (await row(review)).closed_at is None

    async def test_what_the_server_refuses_can_be_mended(self, visit, ask, row):
        review = await ask(under_review={"a": 1})

        page = await visit(
            review,
            ["write", "edited", '{"a": 1, "a": 2}'],
            ["click", "approve"],
            ["write", "edited", '{"a": 2}'],
            ["click", "approve"],
        )

        assert page.asked == ["api/reviews/open", "api/reviews/decide", "api/reviews/decide"]
        assert page.status.startswith("Approved.")
        assert (await row(review)).output == {"a": 2}

    async def test_what_is_too_large_is_said_to_be(self, visit, ask):
        review = await ask(under_review="Draft")

        page = await visit(review, ["write", "edited", "x" * 300_000], ["click", "approve"])

        assert page.form
        assert page.status.startswith("The body is larger than 256 KiB.")

    async def test_a_second_decision_is_told_of_the_first(self, visit, ask):
        review = await ask()

        page = await visit(review, ["click", "approve"], ["click", "reject"])

        assert "ada@example.com approved it" in page.status
        assert not page.form
