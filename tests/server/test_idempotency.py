"""A POST that is sent again has one effect and one answer."""

import asyncio
import hashlib
import secrets
from datetime import timedelta

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Depends, Response
from starlette.responses import JSONResponse, StreamingResponse

from stepiq.accounts.http import authenticated
from stepiq.core import clock
from stepiq.server.app import equip
from stepiq.store.tables import idempotent_requests, pipelines, runs, workspaces
from stepiq.web import idempotency
from stepiq.web.bodies import router as new_router
from stepiq.web.bodies import takes_any_query
from stepiq.web.idempotency import Idempotency, Replayed
from stepiq.web.transactions import OwnTx, Tx
from tests.support.clients import login, login_key, outcome

__all__ = ["login", "login_key"]

KEY = {"Idempotency-Key": "b7c1a6e0-order-17"}
PIPELINE = {"name": "X", "steps": [{"id": "a", "type": "transform", "template": "x"}]}


pytestmark = pytest.mark.both_stores


@pytest.fixture
def rows(database):
    """How many rows a table has."""

    async def rows(table):
        async with database.reading() as session:
            return await session.scalar(sa.select(sa.func.count()).select_from(table))

    return rows


@pytest.fixture
def route(app):
    """Adds a POST route of this test's own."""

    def route(path, endpoint):
        router = new_router("Test")
        router.add_api_route(path, endpoint, methods=["POST"])
        app.include_router(router, prefix="/api", dependencies=[Depends(authenticated)])

    return route


@pytest.fixture
async def run_url(account, make):
    return f"/api/pipelines/{await make.pipeline(account)}/run"


def without_own(response):
    own = ("x-request-id", "idempotent-replayed")
    return {name: value for name, value in response.headers.items() if name not in own}


class TestStored:
    async def test_nobody_can_try_which_secret_a_request_stored(self, owner, database):
        body = b'{"name": "TOKEN", "value": "hunter22"}'
        headers = {**KEY, "Content-Type": "application/json"}
        stored = await owner.post("/api/user/secrets", content=body, headers=headers)
        async with database.reading() as session:
            kept = await session.scalar(sa.select(idempotent_requests.c.request_hash))

        assert stored.status_code == 201
        tried = [body, bytes(4) + body]
        assert kept not in [hashlib.sha256(guess).digest() for guess in tried]

    async def test_a_path_too_long_for_any_route_is_unknown(self, owner, rows):
        # PostgreSQL's index would take one that can be compressed.
        response = await owner.post(
            f"/api/deliveries/{secrets.token_hex(4_500)}/redeliver", json={}, headers=KEY
        )

        assert response.status_code == 404
        assert await rows(idempotent_requests) == 0


class TestReplay:
    async def test_the_same_request_gets_the_same_answer_and_does_nothing(
        self, owner, run_url, rows
    ):
        first = await owner.post(run_url, json={"input_data": {"n": 1}}, headers=KEY)
        again = await owner.post(run_url, json={"input_data": {"n": 1}}, headers=KEY)

        assert first.status_code == again.status_code == 202
        assert again.content == first.content
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
        assert await rows(runs) == 1

    async def test_status_and_headers_are_the_same_too(self, owner):
        first = await owner.post("/api/pipelines", json=PIPELINE, headers=KEY)
        again = await owner.post("/api/pipelines", json=PIPELINE, headers=KEY)

        assert first.status_code == again.status_code == 201
        assert first.headers["ETag"] == '"v1"'
        assert without_own(again) == without_own(first)

    async def test_so_it_is_for_yaml_and_both_names_of_the_route(self, owner, rows):
        headers = {**KEY, "Content-Type": "application/yaml"}
        text = "name: X\nsteps:\n  - {id: a, type: transform, template: x}\n"
        first = await owner.post("/api/pipelines", content=text, headers=headers)
        again = await owner.post("/v1/api/pipelines", content=text, headers=headers)

        assert again.json() == first.json()
        assert await rows(pipelines) == 1

    async def test_so_it_is_for_a_webhook(self, login_key, account, make, rows):
        client = await login_key(account)
        url = f"/api/webhooks/{await make.pipeline(account)}"

        answers = [await client.post(url, json={"n": 1}, headers=KEY) for _ in range(2)]

        assert answers[0].status_code == 202
        assert answers[0].json() == answers[1].json()
        assert await rows(runs) == 1

    async def test_it_does_not_matter_which_credential_of_the_account_is_used(
        self, owner, login_key, account, run_url
    ):
        first = await owner.post(run_url, headers=KEY)
        again = await (await login_key(account)).post(run_url, headers=KEY)

        assert again.json() == first.json()

    async def test_but_it_must_be_allowed_the_route(self, owner, login_key, account, run_url):
        await owner.post(run_url, headers=KEY)

        again = await (await login_key(account, ["pipelines:read"])).post(run_url, headers=KEY)

        assert outcome(again) == (403, "scope_missing")

    async def test_and_have_the_same_scopes_for_the_answer_may_show_what_others_cannot_read(
        self, owner, login_key, account, run_url
    ):
        await owner.post(run_url, json={"input_data": {"name": "Ada"}}, headers=KEY)

        blind = await login_key(account, ["pipelines:execute"])
        again = await blind.post(run_url, json={"input_data": {"name": "Ada"}}, headers=KEY)

        assert outcome(again) == (422, "idempotency_key_reused")

    async def test_nobody_else_shares_the_key(self, owner, login, stranger, account, make):
        mine = await owner.post("/api/pipelines", json=PIPELINE, headers=KEY)
        theirs = await (await login(stranger)).post("/api/pipelines", json=PIPELINE, headers=KEY)

        assert theirs.status_code == 201
        assert theirs.json()["id"] != mine.json()["id"]

    async def test_nor_does_another_route_or_pipeline(self, owner, account, make, run_url, rows):
        other = f"/api/pipelines/{await make.pipeline(account)}/run"

        for url in (run_url, other):
            assert (await owner.post(url, headers=KEY)).status_code == 202

        assert await rows(runs) == 2

    async def test_without_a_key_nothing_is_kept(self, owner, run_url, rows):
        await owner.post(run_url)
        await owner.post(run_url)

        assert await rows(runs) == 2
        assert await rows(idempotent_requests) == 0

    async def test_a_created_api_key_is_shown_again_and_stored_unreadably(self, owner, database):
        body = {"name": "CI"}
        first = await owner.post("/api/user/api-keys", json=body, headers=KEY)
        again = await owner.post("/api/user/api-keys", json=body, headers=KEY)

        assert again.json() == first.json()
        async with database.reading() as session:
            kept = (await session.execute(sa.select(idempotent_requests))).one()
        assert b"sk_live_" in first.content
        assert b"sk_live_" not in kept.body
        assert first.json()["prefix"].encode() not in kept.body

    async def test_a_key_cannot_be_replayed_an_api_keys_creation(self, owner, login_key, account):
        await owner.post("/api/user/api-keys", json={"name": "CI"}, headers=KEY)

        again = await (await login_key(account)).post(
            "/api/user/api-keys", json={"name": "CI"}, headers=KEY
        )

        assert outcome(again) == (403, "session_required")


class TestReuse:
    @pytest.mark.parametrize(
        ("body", "query"),
        [({"input_data": {"n": 2}}, ""), ({}, ""), ({"input_data": {"n": 1}}, "?wait=1")],
    )
    async def test_another_body_or_query_is_refused(self, owner, run_url, rows, body, query):
        await owner.post(run_url, json={"input_data": {"n": 1}}, headers=KEY)

        other = await owner.post(run_url + query, json=body, headers=KEY)

        assert outcome(other) == (422, "idempotency_key_reused")
        assert await rows(runs) == 1

    async def test_query_and_body_do_not_run_into_each_other(self, owner, route):
        @takes_any_query
        async def take(tx: Tx) -> Response:
            return Response()

        route("/take", take)
        await owner.post("/api/take?ab", content=b"c", headers=KEY)

        other = await owner.post("/api/take?a", content=b"bc", headers=KEY)

        assert outcome(other) == (422, "idempotency_key_reused")


class TestKeys:
    @pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "a\tb"])
    async def test_what_is_no_key_is_refused(self, owner, run_url, rows, key):
        response = await owner.post(run_url, headers={"Idempotency-Key": key.encode()})

        assert outcome(response) == (422, "idempotency_key_invalid")
        assert await rows(runs) == 0

    async def test_255_characters_are_a_key(self, owner, run_url):
        for _ in range(2):
            response = await owner.post(run_url, headers={"Idempotency-Key": "~" * 255})
            assert response.status_code == 202

    async def test_other_methods_do_not_look_at_it(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        for name in ("B", "C"):
            response = await owner.patch(
                f"/api/pipelines/{pipeline_id}", json={"name": name}, headers=KEY
            )
            assert response.json()["name"] == name

    async def test_after_a_day_it_is_free_again(self, login_key, account, run_url, rows):
        owner = await login_key(account)
        first = await owner.post(run_url, headers=KEY)
        clock.advance(timedelta(hours=23, minutes=59))
        assert (await owner.post(run_url, headers=KEY)).json() == first.json()
        clock.advance(timedelta(minutes=2))

        later = await owner.post(run_url, headers=KEY)

        assert later.json()["id"] != first.json()["id"]
        assert (await owner.post(run_url, headers=KEY)).json() == later.json()
        assert await rows(idempotent_requests) == 1


class TestFailures:
    async def test_a_refusal_leaves_the_key_free(self, owner, account, make, run_url, rows):
        refused = await owner.post(run_url, json={"version": 7}, headers=KEY)
        assert refused.status_code == 404

        response = await owner.post(run_url, json={}, headers=KEY)

        assert response.status_code == 202
        assert "Idempotent-Replayed" not in response.headers

    async def test_so_does_a_body_that_cannot_be_read(self, owner, run_url, rows):
        headers = {**KEY, "Content-Type": "application/json"}

        assert (await owner.post(run_url, content=b"{", headers=headers)).status_code == 400
        assert (await owner.post(run_url, content=b"{}", headers=headers)).status_code == 202

    async def test_so_does_an_answer_that_is_no_success(self, owner, route, rows):
        async def refuse(tx: Tx) -> Response:
            return JSONResponse({}, 400)

        route("/refuse", refuse)
        answers = [await owner.post("/api/refuse", headers=KEY) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [400, 400]
        assert await rows(idempotent_requests) == 0

    async def test_an_answer_that_comes_in_parts_is_not_kept(self, owner, route, rows):
        async def stream(tx: Tx) -> StreamingResponse:
            return StreamingResponse(iter([b"a", b"b"]))

        route("/stream", stream)
        answer = await owner.post("/api/stream", headers=KEY)

        assert answer.content == b"ab"
        assert await rows(idempotent_requests) == 0

    async def test_an_answer_of_another_signing_key_is_not_made_up(self, app, owner, run_url, rows):
        await owner.post(run_url, headers=KEY)
        app.state.idempotency = Idempotency(b"another secret of this server...")

        again = await owner.post(run_url, headers=KEY)

        assert outcome(again) == (409, "idempotency_answer_lost")
        assert await rows(runs) == 1


class TestParallel:
    async def test_fifty_at_once_have_one_effect(self, owner, run_url, rows):
        answers = await asyncio.gather(*(owner.post(run_url, headers=KEY) for _ in range(50)))

        accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        others = {outcome(answer) for answer in answers if answer.status_code != 202}
        assert len(set(accepted)) == 1
        assert others <= {(409, "idempotency_in_progress")}
        assert await rows(runs) == 1

    async def test_who_comes_too_early_is_told_when_to_ask_again(self, owner, route):
        entered, leave = asyncio.Event(), asyncio.Event()

        async def work(tx: Tx) -> dict[str, int]:
            entered.set()
            await leave.wait()
            return {"made": 1}

        route("/work", work)
        first = asyncio.create_task(owner.post("/api/work", headers=KEY))
        await entered.wait()

        early = await owner.post("/api/work", headers=KEY)

        assert outcome(early) == (409, "idempotency_in_progress")
        assert early.headers["Retry-After"] == "1"
        leave.set()
        assert (await first).json() == (await owner.post("/api/work", headers=KEY)).json()

    async def test_another_process_waits_for_the_first_and_repeats_its_answer(
        self, app, services, owner, run_url, rows, login, account
    ):
        entered, leave = asyncio.Event(), asyncio.Event()

        async def count(own_tx: OwnTx) -> Response:
            async with own_tx() as tx:
                await tx.execute(
                    sa.update(workspaces).values(runs_today=workspaces.c.runs_today + 1)
                )
                entered.set()
                await leave.wait()
                response = JSONResponse({"counted": True})
                await own_tx.keep(response)
            return response

        router = new_router("Test")
        router.add_api_route("/count", count, methods=["POST"])
        app.include_router(router, prefix="/api", dependencies=[Depends(authenticated)])
        first = asyncio.create_task(owner.post("/api/count", headers=KEY))
        await entered.wait()
        app.state.idempotency = Idempotency(app.state.doors.jwt_secret)
        second = asyncio.create_task(owner.post("/api/count", headers=KEY))
        done, _ = await asyncio.wait({second}, timeout=0.1)
        assert not done
        leave.set()

        assert (await second).json() == (await first).json() == {"counted": True}
        assert (await second).headers["Idempotent-Replayed"] == "true"


class TestOwnTransaction:
    async def test_an_endpoint_may_go_on_from_what_was_answered(self, owner, route):
        effects = []

        async def start(own_tx: OwnTx) -> dict[str, object]:
            try:
                async with own_tx() as tx:
                    await tx.execute(sa.select(1))
                    effects.append("made")
                    await own_tx.keep(JSONResponse({"id": 7}, 202))
                    made = 7
            except Replayed as replayed:
                made = replayed.answer.content["id"]
            return {"id": made, "waited": True}

        route("/start", start)
        first = await owner.post("/api/start", headers=KEY)
        again = await owner.post("/api/start", headers=KEY)

        assert effects == ["made"]
        assert first.json() == again.json() == {"id": 7, "waited": True}
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"

    async def test_without_more_the_answer_is_repeated(self, owner, route):
        async def start(own_tx: OwnTx) -> Response:
            async with own_tx():
                response = JSONResponse({"id": 7}, 202)
                await own_tx.keep(response)
            return response

        route("/start", start)
        answers = [await owner.post("/api/start", headers=KEY) for _ in range(2)]

        assert [(a.status_code, a.json()) for a in answers] == [(202, {"id": 7})] * 2

    async def test_without_a_key_it_is_a_transaction_like_any_other(self, owner, route, rows):
        async def start(own_tx: OwnTx) -> Response:
            async with own_tx():
                response = JSONResponse({"id": 7}, 202)
                await own_tx.keep(response)
            return response

        route("/start", start)

        assert (await owner.post("/api/start")).status_code == 202
        assert await rows(idempotent_requests) == 0

    async def test_an_error_after_the_commit_keeps_the_effect_and_the_answer(
        self, owner, route, rows
    ):
        calls = []

        async def start(own_tx: OwnTx) -> Response:
            async with own_tx():
                await own_tx.keep(JSONResponse({"id": 7}, 202))
            calls.append(1)
            raise RuntimeError("lost its way")

        route("/start", start)
        first = await owner.post("/api/start", headers=KEY)
        again = await owner.post("/api/start", headers=KEY)

        assert first.status_code == 500
        assert (again.status_code, again.json()) == (202, {"id": 7})
        assert len(calls) == 1


class TestSweep:
    async def test_what_had_its_day_is_forgotten_in_batches(
        self, login_key, account, run_url, database, rows
    ):
        owner = await login_key(account)
        await owner.post(run_url, headers={"Idempotency-Key": "old"})
        async with database.transaction() as session:
            old = (await session.execute(sa.select(idempotent_requests))).one()._asdict()
            others = [{**old, "key": f"old-{number}".encode()} for number in range(500)]
            await session.execute(sa.insert(idempotent_requests), others)
        clock.advance(timedelta(hours=24))
        await owner.post(run_url, headers={"Idempotency-Key": "new"})

        counts = []
        for _ in range(3):
            async with database.transaction() as session:
                counts.append(await idempotency.sweep(session, clock.now()))

        assert counts == [500, 1, 0]
        assert await rows(idempotent_requests) == 1


def test_every_server_has_its_own(app, services):
    before = app.state.idempotency

    equip(app, services)

    assert app.state.idempotency is not before


def test_its_keys_are_those_of_hkdf():
    expected = HKDF(hashes.SHA256(), 32, salt=None, info=b"purpose").derive(b"secret")

    assert idempotency._derived(b"secret", b"purpose") == expected
