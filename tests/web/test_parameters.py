from uuid import uuid4

import pytest

pytestmark = pytest.mark.one_store


class TestRefuseUnknown:
    @pytest.mark.parametrize(
        ("query", "path", "message"),
        [
            (
                "limt=5",
                "limt",
                "Unknown parameter. Did you mean `limit`? Allowed: `caller_id`, ",
            ),
            ("limit=5&Cursor=x", "Cursor", "Unknown parameter. Did you mean `cursor`? Allowed: "),
            ("zzz", "zzz", "Unknown parameter. Allowed: `caller_id`, "),
        ],
    )
    async def test_a_slip_is_told_with_what_is_nearest(self, owner, query, path, message):
        response = await owner.get(f"/api/runs?{query}")

        assert (response.status_code, response.json()["code"]) == (422, "invalid_query")
        (issue,) = response.json()["errors"]
        assert (issue["path"], issue["code"]) == (path, "unknown_parameter")
        assert issue["message"].startswith(message)

    async def test_a_route_without_parameters_says_so(self, owner):
        response = await owner.get("/api/user/me?verbose=1")

        assert response.json()["errors"][0]["message"].endswith(
            "No parameters are accepted here. Remove it."
        )

    async def test_nothing_is_done(self, owner):
        refused = await owner.post("/api/user/api-keys?wait=5", json={"name": "x"})
        keys = await owner.get("/api/user/api-keys")

        assert refused.status_code == 422
        assert keys.json()["data"] == []

    async def test_parameters_there_are_pass(self, owner):
        response = await owner.get("/api/runs?limit=5&status=failed&status=completed")

        assert response.status_code == 200

    async def test_whoever_has_no_credential_learns_nothing(self, client):
        assert (await client.get("/api/runs?limt=5")).status_code == 401

    async def test_long_and_many_names_are_cut(self, owner):
        query = "&".join(f"{'x' * 200}{number}=1" for number in range(50))

        errors = (await owner.get(f"/api/runs?{query}")).json()["errors"]
        assert len(errors) == 20
        assert max(len(issue["path"]) for issue in errors) == 100


class TestTakesAnyQuery:
    async def test_a_webhook_may_bring_what_its_sender_adds(self, client, make, account):
        key = await make.api_key(account)

        response = await client.post(
            f"/api/webhooks/{uuid4()}?source=github", json={}, headers={"X-API-Key": key.text}
        )

        assert response.status_code == 404
