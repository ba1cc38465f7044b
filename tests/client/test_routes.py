"""Every route of a live server, called by both clients."""

from typing import Any

import pytest

from stepiq.core import clock, ids
from stepiq.runs.links import RUN_LINK_LIFETIME, RunLinks
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.states import RunStatus
from tests.support import audit_acts, audit_administration, audit_sign_in
from tests.support.audit_acts import Acts, World
from tests.support.client_twins import Twin, twin_of
from tests.support.library_http import OPERATIONS, LibraryHttp
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.one_store

ACTS = Acts(audit_acts.ACTS | audit_administration.ACTS | audit_sign_in.ACTS)
"""Calls of the routes that change something, in their order."""
ELSEWHERE = {
    "runs_stream": "tests/client/test_streams.py",
    "runs_stream_list": "tests/client/test_streams.py",
    "auth_read_session": "returns the session of the cookie, which the library does not keep",
}
ABSENT = {
    "health_check_readiness": "not_ready",
    "deliveries_get_attempt_request": "delivery_attempt_not_found",
    "health_get_metrics": "metrics_closed",
}
"""Operations of which the server has no object, and the code of their error."""
YAML = "name: Brief\nsteps: [{id: a, type: transform, template: x}]\n"


@pytest.fixture
def used() -> dict[str, Any]:
    return {}


@pytest.fixture
async def world(kind, app, server, make, settings, database, used):
    twins = []

    async def client(**options: Any) -> LibraryHttp:
        manager = twin_of(kind, server.url, max_retries=0, **options)
        twins.append(manager)
        return LibraryHttp(await manager.__aenter__(), used)

    async def login(account: Any) -> LibraryHttp:
        opened = await make.session(account)
        return await client(
            access_token=app.state.doors.tokens.issue(account.id, opened.session_id)
        )

    guest = await client()
    made: Any = World(app, guest, guest, guest, login, None, make, database, settings)  # type: ignore[arg-type]
    assert (await ACTS["auth_register"][0](made)).status_code == 201
    made.account = await make.user()
    made.client = await login(made.account)
    made.known["other"] = await login(await make.user())
    made.admin = await login(await make.user(is_admin=True))
    key = await make.api_key(made.account)
    made.known["keyed"] = await client(api_key=key.text)
    yield made
    for manager in twins:
        await manager.__aexit__(None, None, None)


async def readable(world: Any) -> dict[str, Any]:
    """Values for the parameters of paths, of objects that exist."""
    account, make = world.account, world.make
    pipeline_id = await make.pipeline(account)
    run_id = await make.run(account, pipeline_id, status=RunStatus.FAILED)
    step = await make.step(run_id)
    user = await make.user()
    return {
        "pipeline_id": pipeline_id,
        "run_id": run_id,
        "step_id": "greet",
        "operation_id": await make.operation(run_id, step),
        "schedule_id": await make.schedule(account, pipeline_id),
        "delivery_id": await make.delivery(account, pipeline_id),
        "job_id": await make.bulk_job(account, [await make.run(account, pipeline_id)]),
        "user_id": user.id,
        "workspace_id": account.workspace_id,
        "number": 1,
        "other": 1,
        "model_id": "openai/gpt-4o",
        "provider": "none",
    }


async def other_arguments(world: Any, known: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Arguments of operations that are not only read by their path."""
    review = await world.make.review(world.account, known["pipeline_id"])
    member = await world.make.member(world.account)
    person = await world.make.user(is_verified=False)
    opened = await world.make.session(person)
    _, invitation = await audit_acts._invite(world, "someone@example.com")
    login = await world.guest.post("/api/auth/device")
    return {
        "auth_refresh": {"refresh_token": opened.refresh_token},
        "auth_forgot_password": {"email": "nobody@example.com"},
        "two_factor_begin": {"password": PASSWORD},
        "reviews_open_link": {"token": ReviewLinks(world.settings).token(LinkHolder(review.id, 0))},
        "reviews_get": {"run_id": review.run_id, "step_id": review.step_id},
        "runs_open_link": {
            "token": RunLinks(world.settings).token(
                known["run_id"], clock.now() + RUN_LINK_LIFETIME
            )
        },
        "invitations_open": {"invitation": invitation},
        "device_login_open": {"user_code": login.json()["user_code"]},
        "pipelines_validate": {"definition": YAML},
        "schedules_preview": {"cron_expression": "0 9 * * *"},
        "drafts_create": {"text": YAML},
        "drafts_update": {"pipeline_id": known["pipeline_id"], "text": YAML, "base_version": 1, "revision": None},
        "webhooks_trigger": {"pipeline_id": known["pipeline_id"], "body": {"topic": "x"}},
        "members_get_holdings": {"user_id": member.id},
        "auth_finish_oidc": {"provider": "none"},
    }  # fmt: skip


FOR_ADMINISTRATORS = ("administration_", "server_", "audit_list_server", "audit_export_server", "audit_verify_server", "users_list", "users_get")  # fmt: skip


def caller(world: Any, name: str) -> LibraryHttp:
    if name in ("webhooks_trigger", "api_keys_get_current"):
        return world.known["keyed"]
    if name == "users_list_identities":
        return world.client
    return world.admin if name.startswith(FOR_ADMINISTRATORS) else world.client


class TestRoutes:
    async def test_each_that_changes_something_works(self, world, used):
        for name, (act, _) in ACTS.items():
            if name != "auth_register":
                answer = await act(world)
                assert answer.is_success, (name, answer.text)

        assert set(ACTS) <= set(used)

    async def test_each_other_one_works(self, world, used):
        known = await readable(world)
        arguments = await other_arguments(world, known)
        others = [name for name in OPERATIONS if name not in ACTS and name not in ELSEWHERE]
        others.sort(key=lambda name: ["drafts_create", "drafts_update", "drafts_get"].index(name) if name in ("drafts_create", "drafts_update", "drafts_get") else 9)  # fmt: skip

        refused: dict[str, str] = {}
        for name in others:
            _, path, _ = OPERATIONS[name]
            in_path = {key: value for key, value in known.items() if f"{{{key}}}" in path}
            given = arguments.get(name, in_path)

            answer = await caller(world, name).call(name, given)

            if answer.status_code >= 400:
                refused[name] = answer.json()["code"]

        assert refused == ABSENT
        assert set(others) <= set(used) | set(ABSENT)

    async def test_a_model_is_a_typed_object(self, world, used):
        known = await readable(world)

        await world.client.call("runs_get", {"run_id": known["run_id"]})

        run = used["runs_get"]
        assert (run.id, run.status) == (str(known["run_id"]), "failed")
        assert run.created_at.tzinfo is not None
        assert run.steps[0].step_id == "greet"

    async def test_an_unknown_object_is_not_found(self, world):
        answer = await world.client.call("runs_get", {"run_id": ids.uuid7()})

        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


@pytest.fixture
async def owner_twin(kind, app, server, make, account):
    key = await make.api_key(account)
    async with twin_of(kind, server.url, api_key=key.text) as twin:
        yield twin


class TestLists:
    async def test_all_pages_are_read(self, owner_twin: Twin, make, account):
        pipeline_id = await make.pipeline(account)
        made = [str(await make.run(account, pipeline_id)) for _ in range(7)]

        found = await owner_twin.all(lambda client: client.runs.list(limit=3))

        assert [run.id for run in found] == made[::-1]

    async def test_no_page_is_read_that_is_not_wanted(self, owner_twin: Twin, make, account):
        pipeline_id = await make.pipeline(account)
        for _ in range(5):
            await make.run(account, pipeline_id)

        page = await owner_twin.call(lambda client: client.runs.list(limit=2).page())
        others = await owner_twin.call(
            lambda client: client.runs.list(limit=2).page(page.next_cursor)
        )

        ids_of = [run.id for run in page.data + others.data]
        assert len(set(ids_of)) == 4

    async def test_filters_are_sent_with_each_page(self, owner_twin: Twin, make, account):
        pipeline_id = await make.pipeline(account)
        for status in [RunStatus.FAILED, RunStatus.COMPLETED] * 3:
            await make.run(account, pipeline_id, status=status)

        found = await owner_twin.all(lambda client: client.runs.list(limit=1, status=["failed"]))

        assert [run.status for run in found] == ["failed"] * 3

    async def test_a_list_without_a_method_is_read_by_its_path(
        self, owner_twin: Twin, make, account
    ):
        pipeline_id = await make.pipeline(account)
        made = [str(await make.run(account, pipeline_id)) for _ in range(5)]

        found = await owner_twin.all(lambda client: client.pages("/api/runs", query={"limit": 2}))

        assert [run["id"] for run in found] == made[::-1]


class TestIdempotency:
    async def test_a_call_with_the_key_of_an_earlier_one_has_its_result(
        self, owner_twin: Twin, make, account
    ):
        pipeline_id = await make.pipeline(account)

        def start(client: Any) -> Any:
            return client.runs.start(pipeline_id, input_data={"a": 1}, idempotency_key="order-1")

        first = await owner_twin.call(start)
        second = await owner_twin.call(start)

        assert first.id == second.id
