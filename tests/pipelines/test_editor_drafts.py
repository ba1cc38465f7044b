"""Drafts of editors, and the saving of pipelines by several people or tabs."""

import asyncio
from uuid import UUID

import pytest

from stepiq.core import clock, ids
from stepiq.execution.limits.plans import Plans
from stepiq.store.tables import drafts
from tests.pipelines.conftest import AS_YAML, YAML

BROKEN = 'name: Half\nsteps:\n  - id: a\n    prompt: "unclosed\n\t{{#if'


@pytest.fixture
def write(owner):
    async def write(pipeline_id, text, revision=None, **fields):
        body = {"text": text, "revision": revision, **fields}
        return await owner.put(f"/api/pipelines/{pipeline_id}/draft", json=body)

    return write


@pytest.fixture
def keep(database):
    """Stores a draft of a member."""

    async def keep(pipeline_id, member):
        async with database.transaction() as session:
            await session.execute(
                drafts.insert().values(
                    pipeline_id=UUID(pipeline_id),
                    user_id=member.id,
                    workspace_id=member.workspace_id,
                    text="secret plans",
                    source_format="yaml",
                    base_version=1,
                    revision=ids.uuid7(),
                    created_at=clock.now(),
                    updated_at=clock.now(),
                )
            )

    return keep


class TestDraft:
    async def test_any_text_is_kept_beside_the_version(self, owner, create, write):
        made = await create()

        written = await write(made["id"], BROKEN, base_version=1)

        draft = (await owner.get(f"/api/pipelines/{made['id']}/draft")).json()
        assert written.status_code == 200, written.text
        assert draft == written.json()
        assert draft["text"] == BROKEN
        assert (draft["base_version"], draft["current_version"]) == (1, 1)
        assert (draft["name"], draft["is_new"], draft["others"]) == ("Greeting", False, [])
        assert (await owner.get(f"/api/pipelines/{made['id']}")).json()["version"] == 1

    async def test_the_second_tab_gets_the_text_of_the_first(self, create, write):
        made = await create()
        first = (await write(made["id"], "one")).json()
        second = (await write(made["id"], "two", first["revision"])).json()

        late = await write(made["id"], "lost?", first["revision"])

        assert late.status_code == 412
        assert late.json()["code"] == "draft_changed"
        assert late.json()["current"] == second
        merged = await write(made["id"], "both", second["revision"])
        assert merged.json()["text"] == "both"

    @pytest.mark.both_stores
    async def test_two_first_texts_do_not_replace_each_other(self, owner, create, write):
        made = await create()

        answers = await asyncio.gather(*(write(made["id"], f"tab {n}") for n in range(4)))

        statuses = sorted(answer.status_code for answer in answers)
        kept = (await owner.get(f"/api/pipelines/{made['id']}/draft")).json()["text"]
        refused = [answer.json() for answer in answers if answer.status_code == 412]
        assert statuses == [200, 412, 412, 412]
        assert all(answer["current"]["text"] == kept for answer in refused)

    async def test_a_deleted_draft_does_not_return_silently(self, owner, create, write):
        made = await create()
        url = f"/api/pipelines/{made['id']}/draft"
        revision = (await write(made["id"], "one")).json()["revision"]
        await owner.delete(url)

        late = await write(made["id"], "two", revision)
        again = await write(made["id"], "two", None)

        assert (late.status_code, late.json()["current"]) == (412, None)
        assert again.json()["text"] == "two"

    @pytest.mark.both_stores
    async def test_deleting_can_name_the_state(self, owner, create, write):
        made = await create()
        url = f"/api/pipelines/{made['id']}/draft"
        old = (await write(made["id"], "one")).json()["revision"]
        new = (await write(made["id"], "two", old)).json()["revision"]

        refused = await owner.delete(url, params={"revision": old})
        deleted = await owner.delete(url, params={"revision": new})

        assert (refused.status_code, refused.json()["current"]["text"]) == (412, "two")
        assert deleted.json() == {"pipeline_id": made["id"], "deleted": True}
        assert (await owner.get(url)).json()["code"] == "draft_not_found"
        assert (await owner.delete(url)).status_code == 404

    async def test_an_unknown_pipeline_has_no_draft(self, write):
        answer = await write("0192f0c1-0000-7000-8000-000000000000", "x")

        assert (answer.status_code, answer.json()["code"]) == (404, "pipeline_not_found")

    @pytest.mark.both_stores
    async def test_drafts_of_others_are_named_without_their_text(
        self, make, create, write, account, keep
    ):
        made = await create()
        await keep(made["id"], await make.member(account, name="Grace"))

        draft = (await write(made["id"], "mine")).json()

        assert [(each["name"], each["base_version"]) for each in draft["others"]] == [("Grace", 1)]
        assert draft["text"] == "mine"

    @pytest.mark.both_stores
    async def test_drafts_of_others_are_named_before_the_first_own_change(
        self, owner, make, create, write, account, login, keep
    ):
        made = await create()
        grace = await make.member(account, name="Grace")
        await keep(made["id"], grace)
        url = f"/api/pipelines/{made['id']}/draft/others"

        found = (await owner.get(url)).json()["data"]

        assert [(each["user_id"], each["name"], each["base_version"]) for each in found] == [
            (str(grace.id), "Grace", 1)
        ]
        assert "text" not in found[0]
        theirs = await login(grace)
        assert (await theirs.get(url)).json() == {"data": []}
        await write(made["id"], "mine")
        assert [each["name"] for each in (await theirs.get(url)).json()["data"]] == [account.name]

    async def test_a_stranger_does_not_learn_who_has_drafts(self, create, write, login, stranger):
        made = await create()
        await write(made["id"], "mine")

        answer = await (await login(stranger)).get(f"/api/pipelines/{made['id']}/draft/others")

        assert (answer.status_code, answer.json()["code"]) == (404, "pipeline_not_found")


class TestNewPipeline:
    @pytest.mark.both_stores
    async def test_it_is_saved_under_the_reserved_id(self, owner):
        draft = (await owner.post("/api/drafts", json={"text": YAML})).json()
        url = f"/api/pipelines/{draft['pipeline_id']}"

        before = await owner.get(url)
        saved = await owner.put(url, content=YAML, headers={**AS_YAML, "If-Match": '"v0"'})
        again = await owner.put(url, content=YAML, headers={**AS_YAML, "If-Match": '"v0"'})

        assert (draft["name"], draft["is_new"], draft["base_version"]) == ("Greeting", True, None)
        assert before.status_code == 404
        assert (saved.status_code, saved.headers["ETag"]) == (201, '"v1"')
        assert saved.json()["id"] == draft["pipeline_id"]
        assert (await owner.get(f"{url}/draft")).status_code == 404
        assert (again.status_code, again.json()["current"]["version"]) == (412, 1)

    async def test_an_invalid_text_is_not_saved_and_stays(self, owner):
        draft = (await owner.post("/api/drafts", json={"text": BROKEN})).json()
        url = f"/api/pipelines/{draft['pipeline_id']}"

        refused = await owner.put(url, content=BROKEN.encode(), headers=AS_YAML)

        assert refused.status_code == 400
        assert (await owner.get(f"{url}/draft")).json()["text"] == BROKEN

    async def test_a_stranger_cannot_use_a_reserved_id(self, owner, login, stranger):
        draft = (await owner.post("/api/drafts", json={"text": YAML})).json()
        url = f"/api/pipelines/{draft['pipeline_id']}"
        theirs = await login(stranger)

        answers = [
            await theirs.get(f"{url}/draft"),
            await theirs.put(f"{url}/draft", json={"text": "x"}),
            await theirs.put(url, content=YAML, headers=AS_YAML),
            await theirs.delete(f"{url}/draft"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 4
        assert (await theirs.get("/api/drafts")).json()["data"] == []

    @pytest.mark.both_stores
    async def test_own_drafts_are_listed_the_last_changed_first(self, owner, create, write):
        made = await create()
        first = (await owner.post("/api/drafts", json={"text": '{"name": "A"}'})).json()
        await write(made["id"], "text")
        await write(first["pipeline_id"], "name: 'B'  \nsteps", first["revision"])

        page = (await owner.get("/api/drafts?limit=1")).json()
        rest = (await owner.get(f"/api/drafts?cursor={page['next_cursor']}")).json()

        found = [*page["data"], *rest["data"]]
        assert [each["name"] for each in found] == ["B", "Greeting"]
        assert "text" not in found[0]

    @pytest.mark.both_stores
    async def test_the_plan_limits_their_number(self, owner, services):
        services.plans = Plans.load({"enterprise": {"drafts": 1}})
        first = await owner.post("/api/drafts", json={})

        refused = await owner.post("/api/drafts", json={})
        changed = await owner.put(
            f"/api/pipelines/{first.json()['pipeline_id']}/draft",
            json={"text": "more", "revision": first.json()["revision"]},
        )

        assert first.status_code == 201
        assert (refused.status_code, refused.json()["code"]) == (403, "plan_drafts_exceeded")
        assert changed.status_code == 200


class TestSaving:
    async def test_a_conflict_shows_the_newest_text(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        theirs = YAML.replace("Hello", "Good day")
        await owner.put(url, content=theirs, headers=AS_YAML)

        refused = await owner.put(url, content=YAML, headers={**AS_YAML, "If-Match": '"v1"'})

        current = refused.json()["current"]
        assert refused.status_code == 412
        assert (current["version"], current["text"]) == (2, theirs)
        assert current.keys() == {"version", "text", "source_format", "created_by", "created_at"}

    async def test_a_conflict_shows_no_text_to_a_key_that_cannot_read(
        self, account, create, login_key
    ):
        url = f"/api/pipelines/{(await create())['id']}"
        blind = await login_key(account, ["pipelines:write"])

        refused = await blind.put(url, content=YAML, headers={**AS_YAML, "If-Match": '"v7"'})

        assert (refused.status_code, refused.json().get("current")) == (412, None)

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_a_key_that_cannot_read_drafts_cannot_change_them(
        self, account, create, write, login_key, method
    ):
        made = await create()
        await write(made["id"], YAML)
        blind = await login_key(account, ["pipelines:write"])

        refused = await blind.request(
            method,
            f"/api/pipelines/{made['id']}/draft?revision={made['id']}",
            json={"text": "x"},
        )

        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")

    @pytest.mark.parametrize("names_revision", [True, False])
    async def test_the_saved_draft_is_deleted(self, owner, create, write, names_revision):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        revision = (await write(made["id"], YAML, base_version=1)).json()["revision"]

        await owner.put(
            url,
            content=YAML,
            headers=AS_YAML,
            params={"draft_revision": revision} if names_revision else {},
        )

        assert (await owner.get(f"{url}/draft")).status_code == 404

    @pytest.mark.parametrize("names_revision", [True, False])
    async def test_a_draft_with_other_text_is_kept(self, owner, create, write, names_revision):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        old = (await write(made["id"], YAML)).json()["revision"]
        await write(made["id"], YAML + "# more", old)

        await owner.put(
            url,
            content=YAML,
            headers=AS_YAML,
            params={"draft_revision": old} if names_revision else {},
        )

        assert (await owner.get(f"{url}/draft")).json()["text"] == YAML + "# more"
