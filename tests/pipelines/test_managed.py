import pytest
import sqlalchemy as sa

from stepiq.store.tables import audit_entries
from tests.pipelines.conftest import DEFINITION, YAML

REPOSITORY = "https://git.example.com/team/pipelines"
MANAGED = {"managed_by": "git", "source": REPOSITORY}


def manager(pipeline):
    return pipeline["managed_by"], pipeline["source"]


class TestManagedBy:
    async def test_it_is_set_at_creation_and_shown_everywhere(self, owner):
        created = await owner.post("/api/pipelines", json={"text": YAML, "slug": "a", **MANAGED})

        read = await owner.get("/api/pipelines/a")
        listed = await owner.get("/api/pipelines")

        for shown in (created.json(), read.json(), listed.json()["data"][0]):
            assert manager(shown) == ("git", REPOSITORY)

    async def test_others_have_none(self, create):
        assert manager(await create()) == (None, None)

    @pytest.mark.both_stores
    async def test_a_new_version_keeps_it_unless_it_is_given(self, owner, create):
        url = f"/api/pipelines/{(await create(**MANAGED))['id']}"

        kept = await owner.put(url, json=DEFINITION)
        given = await owner.put(url, json={"text": YAML, "managed_by": "git", "source": "here"})

        assert manager(kept.json()) == ("git", REPOSITORY)
        assert manager(given.json()) == ("git", "here")

    @pytest.mark.both_stores
    async def test_patch_sets_and_removes_it(self, owner, create):
        url = f"/api/pipelines/{(await create())['id']}"

        set_ = await owner.patch(url, json=MANAGED)
        renamed = await owner.patch(url, json={"name": "Other"})
        again = await owner.patch(url, json={"managed_by": "git"})
        removed = await owner.patch(url, json={"managed_by": None})

        assert manager(set_.json()) == ("git", REPOSITORY)
        assert manager(renamed.json()) == ("git", REPOSITORY)
        assert manager(again.json()) == ("git", REPOSITORY)
        assert manager(removed.json()) == (None, None)
        assert removed.json()["version"] == 1

    @pytest.mark.both_stores
    async def test_the_audit_log_has_the_change(self, owner, create, database):
        url = f"/api/pipelines/{(await create(**MANAGED))['id']}"

        await owner.patch(url, json={"managed_by": None})

        async with database.reading() as session:
            rows = await session.execute(sa.select(audit_entries).order_by(audit_entries.c.id))
            entry = rows.all()[-1]
        assert entry.action == "pipeline.updated"
        assert entry.before == MANAGED
        assert entry.after == {"managed_by": None, "source": None}

    @pytest.mark.parametrize("body", [{"source": "x"}, {"source": "x", "managed_by": None}])
    async def test_a_source_needs_a_manager(self, owner, create, body):
        pipeline = await create()

        created = await owner.post("/api/pipelines", json={"text": YAML, **body})
        patched = await owner.patch(f"/api/pipelines/{pipeline['id']}", json=body)

        for response in (created, patched):
            assert response.status_code == 422
            assert "`managed_by`" in response.json()["errors"][0]["message"]

    async def test_an_unknown_manager_is_refused(self, owner):
        response = await owner.post("/api/pipelines", json={"text": YAML, "managed_by": "svn"})

        assert response.status_code == 422
        assert response.json()["errors"][0]["path"] == "managed_by"
