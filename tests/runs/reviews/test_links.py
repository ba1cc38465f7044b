import base64
import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from stepiq.accounts import http as link_door
from stepiq.core import ids
from stepiq.core.settings.model import Settings
from stepiq.runs.reviews.errors import ReviewLinkInvalid
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import TOKEN_LENGTH, LinkHolder
from stepiq.store.states import ReviewDecision, Role

ALPHABET = string.ascii_letters + string.digits + "-_"
HOLDER = LinkHolder(ids.uuid7(), 1)


def links_with(secret: str) -> ReviewLinks:
    return ReviewLinks(Settings(jwt_secret=SecretStr(secret)))


LINKS = links_with("0123456789abcdef0123456789abcdef")


class TestToken:
    @given(st.uuids(), st.integers(0, 255))
    def test_it_says_who_holds_it(self, review_id, assignee):
        token = LINKS.token(LinkHolder(review_id, assignee))

        assert len(token) == TOKEN_LENGTH
        assert set(token) <= set(ALPHABET)
        assert LINKS.read(token) == LinkHolder(review_id, assignee)

    @given(st.integers(0, TOKEN_LENGTH - 1), st.sampled_from(ALPHABET))
    def test_another_character_anywhere_makes_it_worthless(self, place, character):
        token = LINKS.token(HOLDER)
        changed = token[:place] + character + token[place + 1 :]

        if changed != token:
            with pytest.raises(ReviewLinkInvalid):
                LINKS.read(changed)

    @given(st.text(max_size=100) | st.text(ALPHABET, max_size=100))
    def test_no_other_text_is_one(self, text):
        with pytest.raises(ReviewLinkInvalid):
            LINKS.read(text)

    def test_its_proof_cannot_be_cut_short(self):
        raw = base64.urlsafe_b64decode(LINKS.token(HOLDER))
        for length in range(len(raw)):
            with pytest.raises(ReviewLinkInvalid):
                LINKS.read(base64.urlsafe_b64encode(raw[:length]).decode())

    def test_that_of_another_server_is_none(self):
        token = links_with("another secret, as long as it must be").token(HOLDER)

        with pytest.raises(ReviewLinkInvalid):
            LINKS.read(token)

    def test_the_address_has_it_where_no_server_sees_it(self, settings, links):
        url, _, token = links.url(HOLDER).partition("#")

        assert url == f"{settings.base_url}/review"
        assert links.read(token) == HOLDER


class TestOpen:
    async def test_it_shows_what_is_asked(self, client, ask, token):
        review = await ask(message="*Fine?*", under_review={"n": 1.0, "id": 2**70, "t": "ü"})

        response = await client.post("/api/reviews/open", json={"token": token(review, 1)})

        assert response.status_code == 200
        shown = response.json()
        del shown["requested_at"], shown["expires_at"]
        assert shown == {
            "pipeline_name": "Greeting",
            "step_id": "check",
            "message": "*Fine?*",
            "input": {"n": 1.0, "id": 2**70, "t": "ü"},
            "input_text": f'{{\n  "n": 1.0,\n  "id": {2**70},\n  "t": "ü"\n}}',
            "input_schema": None,
            "editable": True,
            "reviewer": "bob@example.com",
        }

    async def test_a_text_is_shown_as_it_is(self, client, ask, token):
        review = await ask(under_review='One "line"\nand another')

        shown = (await client.post("/api/reviews/open", json={"token": token(review)})).json()

        assert shown["input_text"] == shown["input"] == 'One "line"\nand another'

    async def test_looking_decides_nothing(self, client, ask, token, row):
        review = await ask()

        for _ in range(3):
            await client.post("/api/reviews/open", json={"token": token(review)})
        await client.get("/review")

        assert (await row(review)).closed_at is None

    async def test_after_a_decision_it_says_whose_it_was(self, client, ask, token):
        review = await ask()
        await client.post(
            "/api/reviews/decide", json={"token": token(review, 1), "decision": "reject"}
        )

        response = await client.post("/api/reviews/open", json={"token": token(review)})

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert "bob@example.com rejected it on" in response.json()["detail"]

    async def test_after_its_time_it_shows_nothing(self, client, ask, token, clock):
        review = await ask(lasts=timedelta(hours=1), under_review="canary")
        clock.advance(timedelta(hours=1))

        response = await client.post("/api/reviews/open", json={"token": token(review)})

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert "canary" not in response.text

    async def test_a_token_of_nobodys_is_unknown(self, client, ask, token, links):
        review = await ask()
        tokens = [
            "",
            token(review)[:-1],
            token(review)[::-1],
            # Of this server, but for a review and an assignee that there are not.
            links.token(LinkHolder(ids.uuid7(), 0)),
            links.token(LinkHolder(review.id, 2)),
        ]

        for each in tokens:
            for path, more in (("open", {}), ("decide", {"decision": "approve"})):
                response = await client.post(f"/api/reviews/{path}", json={"token": each, **more})
                assert (response.status_code, response.json()["code"]) == (
                    404,
                    "review_link_invalid",
                )


class TestDecide:
    @pytest.fixture
    def decide(self, client):
        async def decide(token, decision="approve", **more):
            body = {"token": token, "decision": decision, **more}
            return await client.post("/api/reviews/decide", json=body)

        return decide

    async def test_it_counts_as_the_assignees(self, decide, ask, token, row, owner):
        review = await ask(under_review="Draft")

        response = await decide(token(review, 1), comment="Fine", output="Edited")

        stored = await row(review)
        assert response.status_code == 200
        assert response.json()["decision"] == "approve"
        assert response.json()["reviewer"] == stored.reviewer == "bob@example.com"
        assert (stored.decision, stored.comment, stored.output) == ("approve", "Fine", "Edited")
        run = (await owner.get(f"/api/runs/{review.run_id}")).json()
        assert run["status"] == "pending"

    async def test_it_works_once(self, decide, ask, token, row):
        review = await ask()
        await decide(token(review))

        again = await decide(token(review), "reject")
        other = await decide(token(review, 1), "reject")

        for response in (again, other):
            assert (response.status_code, response.json()["code"]) == (409, "review_closed")
            assert "ada@example.com approved it" in response.json()["detail"]
        assert (await row(review)).decision == "approve"

    async def test_of_two_iterations_each_has_its_own(self, decide, ask, token, row):
        first = await ask(decision=ReviewDecision.REJECT)
        second = await ask(run_id=first.run_id, iteration=2)

        old = await decide(token(first))
        new = await decide(token(second))

        assert (old.status_code, new.status_code) == (409, 200)
        assert (await row(second)).decision == "approve"

    async def test_it_ends_with_the_reviews_time(self, decide, ask, token, row, clock):
        review = await ask(lasts=timedelta(hours=1))
        clock.advance(timedelta(hours=1))

        response = await decide(token(review))

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert (await row(review)).decision is None

    async def test_it_ends_with_the_run(self, decide, ask, token, row, owner):
        review = await ask()
        await owner.post(f"/api/runs/{review.run_id}/cancel")

        response = await decide(token(review))

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert (await row(review)).decision is None

    async def test_what_may_not_be_edited_stays(self, decide, ask, token, row):
        review = await ask(editable=False)

        response = await decide(token(review), output="Edited")

        assert (response.status_code, response.json()["code"]) == (422, "review_not_editable")
        assert (await row(review)).decision is None

    async def test_a_credential_beside_it_changes_nothing(self, owner, ask, token, row):
        review = await ask()

        await owner.post(
            "/api/reviews/decide", json={"token": token(review), "decision": "approve"}
        )

        assert (await row(review)).reviewer == "ada@example.com"

    async def test_it_is_in_no_log(self, client, ask, token):
        review = await ask()
        body = {"token": token(review), "decision": "approve"}

        with capture_logs() as logs:
            await client.post("/api/reviews/open", json={"token": token(review)})
            await client.post("/api/reviews/decide", json={**body, "unknown": 1})
            await client.post("/api/reviews/decide", json=body)
            await client.post("/api/reviews/decide", json=body)

        assert len(logs) >= 4
        assert token(review) not in str(logs)


class TestLimit:
    async def test_one_client_may_come_so_often_a_minute(self, client, ask, token, clock):
        review = await ask()
        good, bad = {"token": token(review)}, {"token": "x"}
        for number in range(link_door.LINKS_A_MINUTE):
            response = await client.post("/api/reviews/open", json=bad if number % 2 else good)
            assert response.status_code != 429

        refused = [
            await client.post("/api/reviews/open", json=good),
            await client.post("/api/reviews/decide", json={**good, "decision": "approve"}),
        ]
        clock.advance(timedelta(minutes=1))

        for response in refused:
            assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
            assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert (await client.post("/api/reviews/open", json=good)).status_code == 200


class TestRemovedMembers:
    async def test_a_link_ends_with_the_membership(
        self, client, owner, ask, token, make, account, row
    ):
        member = await make.member(account, Role.VIEWER, email="eve@example.com")
        review = await ask(assignees=["Eve@example.com", "outside@example.com"])
        links = [{"token": token(review, number)} for number in (0, 1)]
        before = await client.post("/api/reviews/open", json=links[0])

        await owner.delete(f"/api/workspace/members/{member.id}")

        answers = [
            await client.post("/api/reviews/open", json=links[0]),
            await client.post("/api/reviews/decide", json=links[0] | {"decision": "approve"}),
            await client.post("/api/reviews/open", json=links[1]),
        ]
        assert (before.status_code, [each.status_code for each in answers]) == (
            200,
            [404, 404, 200],
        )
        assert answers[0].json()["code"] == answers[1].json()["code"] == "review_link_invalid"
        assert (await row(review)).decision is None

    async def test_it_works_again_after_another_invitation(
        self, client, owner, ask, token, make, account
    ):
        member = await make.member(account, Role.VIEWER, email="eve@example.com")
        link = {"token": token(await ask(assignees=["eve@example.com"]))}
        await owner.delete(f"/api/workspace/members/{member.id}")

        await make.join(member, account, Role.VIEWER)

        assert (await client.post("/api/reviews/open", json=link)).status_code == 200
