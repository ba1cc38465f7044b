import asyncio
import os
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.secrets import service
from stepiq.core import ids
from stepiq.store.tables import secrets
from tests.support.clients import login, login_key

__all__ = ["login", "login_key"]

VALUE = "correct horse battery staple"


def new(name="TOKEN", value=VALUE):
    return {"name": name, "value": value, "hosts": ["api.example.com"]}


@pytest.fixture(params=["account", "pipeline"])
async def url(request, account, make):
    """Where secrets are stored: the account's, and one pipeline's."""
    if request.param == "account":
        return "/api/user/secrets"
    return f"/api/pipelines/{await make.pipeline(account)}/secrets"


class TestStore:
    async def test_a_new_secret_is_created(self, owner, url):
        response = await owner.post(url, json=new())

        assert response.status_code == 201
        body = response.json()
        assert body["name"] == "TOKEN"
        assert body["warning"] is None
        assert (body["pipeline_id"] is None) is (url == "/api/user/secrets")
        assert VALUE not in response.text

    async def test_the_same_name_again_is_a_new_value(self, owner, url, clock):
        before = (await owner.post(url, json=new())).json()
        clock.advance(timedelta(minutes=1))

        response = await owner.post(url, json=new(value="another value"))

        assert response.status_code == 200
        after = response.json()
        assert after["id"] == before["id"]
        assert after["created_at"] == before["created_at"]
        assert after["updated_at"] > before["updated_at"]

    async def test_a_short_value_is_stored_with_a_warning(self, owner, url):
        response = await owner.post(url, json=new(value="1234567"))

        assert response.status_code == 201
        assert "too short to mask" in response.json()["warning"]

    @pytest.mark.parametrize(
        ("value", "warning"),
        [
            (" 12345678", "begins or ends with whitespace"),
            ("12345678\n", "begins or ends with whitespace"),
            ('"12345678"', "is in quotes"),
            ("Bearer 12345678", "begins with `Bearer `"),
        ],
    )
    async def test_what_was_copied_by_mistake_is_a_warning(self, owner, value, warning):
        response = await owner.post("/api/user/secrets", json=new(value=value))

        assert response.status_code == 201
        assert warning in response.json()["warning"]
        assert "12345678" not in response.text

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("crm-token", "crm_token"),
            ("CRM TOKEN", "CRM_TOKEN"),
            ("env.CRM", "CRM"),
            ("1st", "_1st"),
            ("Schlüssel", "Schlussel"),
        ],
    )
    async def test_a_name_that_is_not_allowed_gets_a_corrected_one(self, owner, name, near):
        response = await owner.post("/api/user/secrets", json=new(name=name))

        (issue,) = response.json()["errors"]
        assert (response.status_code, issue["path"]) == (422, "name")
        assert issue["message"] == (
            "Must have 1 to 100 letters, digits and `_`, and must not begin with a digit. "
            f"Did you mean `{near}`?"
        )

    @pytest.mark.parametrize(
        "body",
        [
            new(name="1TOKEN"),
            new(name="TO-KEN"),
            new(name="TOKEN\n"),
            new(name=""),
            new(name="x" * 101),
            new(value=""),
            new(value="x" * 10_001),
            {"name": "TOKEN", "value": 12345678},
            {"name": "TOKEN"},
            {**new(), "pipeline_id": str(ids.uuid7())},
        ],
    )
    async def test_what_does_not_fit_is_refused_without_repeating_it(self, owner, url, body):
        response = await owner.post(url, json=body)

        assert response.status_code == 422
        assert VALUE not in response.text

    @pytest.mark.parametrize("value", ["x", "x" * 10_000, 'Ünïcödé 😀\n\t"\\' * 10])
    async def test_any_other_value_can_be_stored(self, owner, url, value):
        assert (await owner.post(url, json=new(value=value))).status_code == 201

    async def test_a_workspace_has_a_most(self, owner, url, monkeypatch):
        monkeypatch.setattr(service, "MAX_SECRETS", 2)
        for name in ("A", "B"):
            await owner.post(url, json=new(name))

        refused = await owner.post(url, json=new("C"))
        changed = await owner.post(url, json=new("A", "another value"))

        assert refused.status_code == 409
        assert refused.json()["code"] == "too_many_secrets"
        assert changed.status_code == 200

    @pytest.mark.both_stores
    async def test_several_at_once_do_not_exceed_it(self, owner, url, monkeypatch):
        monkeypatch.setattr(service, "MAX_SECRETS", 2)

        answers = await asyncio.gather(
            *(owner.post(url, json=new(f"NAME_{number}")) for number in range(6))
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 4

    @pytest.mark.both_stores
    async def test_of_several_at_once_one_creates_it(self, owner, url):
        responses = await asyncio.gather(
            *(owner.post(url, json=new(value=f"value number {number}")) for number in range(8))
        )

        assert sorted(response.status_code for response in responses) == [200] * 7 + [201]

    @pytest.mark.parametrize("scopes", [["pipelines:read", "account:read"], ["pipelines:execute"]])
    async def test_a_key_needs_the_scope(self, login_key, account, url, scopes):
        client = await login_key(account, scopes)

        response = await client.post(url, json=new())

        assert response.status_code == 403
        assert response.json()["code"] == "scope_missing"

    async def test_a_key_with_the_scope_may(self, login_key, account, url):
        client = await login_key(account, ["pipelines:write"])

        assert (await client.post(url, json=new())).status_code == 201

    async def test_a_key_that_cannot_list_secrets_gets_no_hosts(
        self, login_key, account, owner, url
    ):
        await owner.post(url, json={**new(), "hosts": ["api.example.com"]})
        client = await login_key(account, ["secrets:write"])

        replaced = (await client.post(url, json=new())).json()

        assert (replaced["hosts"], replaced["last_used_at"]) == (None, None)

    async def test_the_row_holds_nothing_in_clear(self, owner, url, database):
        await owner.post(url, json=new())

        async with database.reading() as session:
            row = (await session.execute(sa.select(secrets))).one()
        assert VALUE not in repr(row)
        assert re.fullmatch("[0-9a-f]{16}", row.key_id)

    async def test_a_foreign_or_unknown_pipeline_is_not_found(self, owner, make, stranger):
        theirs = await make.pipeline(stranger)

        for pipeline_id in (theirs, ids.uuid7()):
            response = await owner.post(f"/api/pipelines/{pipeline_id}/secrets", json=new())
            assert response.status_code == 404


class TestHosts:
    async def test_they_are_listed_in_one_form_and_once(self, owner, url):
        hosts = [
            " API.Example.com. ",
            "api.example.com",
            "*.bücher.example",
            "[2001:DB8:0::1]:8443",
        ]

        stored = (await owner.post(url, json={**new(), "hosts": hosts})).json()

        (listed,) = (await owner.get(url)).json()["data"]
        assert stored["warning"] is None
        assert listed["hosts"] == stored["hosts"] == [
            "api.example.com", "*.xn--bcher-kva.example", "[2001:db8::1]:8443",
        ]  # fmt: skip

    async def test_the_longest_host_is_accepted(self, owner, url):
        name = ".".join(["a" * 63] * 3 + ["a" * 61])
        hosts = [f"*.{name}:65535"]

        response = await owner.post(url, json={**new(), "hosts": hosts})

        assert response.json()["hosts"] == hosts

    @pytest.mark.parametrize("body", [{}, {"hosts": None}])
    async def test_a_secret_without_a_list_is_stored_with_a_warning(self, owner, url, body):
        response = await owner.post(url, json={"name": "TOKEN", "value": VALUE, **body})

        assert response.status_code == 201
        assert response.json()["hosts"] is None
        assert "has no `hosts`, so pipelines can send it to any host" in response.json()["warning"]

    async def test_both_warnings_are_given(self, owner, url):
        response = await owner.post(url, json={"name": "TOKEN", "value": "short"})

        warning = response.json()["warning"]
        assert "too short to mask" in warning
        assert "has no `hosts`" in warning

    async def test_a_new_value_keeps_the_list(self, owner, url):
        await owner.post(url, json=new())

        response = await owner.post(url, json={"name": "TOKEN", "value": "another value"})

        assert response.json()["hosts"] == ["api.example.com"]
        assert response.json()["warning"] is None

    async def test_null_removes_the_list(self, owner, url):
        await owner.post(url, json=new())

        response = await owner.post(url, json={**new(), "hosts": None})

        assert response.json()["hosts"] is None

    @pytest.mark.parametrize(
        ("hosts", "path", "message"),
        [
            (["https://api.example.com/v1"], "hosts[0]", "without scheme and path"),
            (["a.example", "user@b.example"], "hosts[1]", "without scheme and path"),
            (["*"], "hosts[0]", "valid host name"),
            (["*.com"], "hosts[0]", "write a domain"),
            (["a.example:70000"], "hosts[0]", "between 1 and 65535"),
            ([], "hosts", "Must not be empty"),
            (["a.example"] * 51, "hosts", "at most 50"),
        ],
    )
    async def test_what_is_no_host_is_refused(self, owner, url, hosts, path, message):
        response = await owner.post(url, json={**new(), "hosts": hosts})

        (issue,) = response.json()["errors"]
        assert response.status_code == 422
        assert issue["path"] == path
        assert message in issue["message"]


class TestList:
    @pytest.mark.both_stores
    async def test_names_and_dates_are_listed_newest_first(self, owner, url):
        for name in ("A", "B", "C"):
            await owner.post(url, json=new(name))

        first = (await owner.get(url, params={"limit": 2})).json()
        second = (await owner.get(url, params={"cursor": first["next_cursor"]})).json()

        assert [secret["name"] for secret in first["data"] + second["data"]] == ["C", "B", "A"]
        uses = {"used_by", "used_by_count"} if url == "/api/user/secrets" else set[str]()
        assert set(first["data"][0]) == uses | {
            "id", "name", "pipeline_id", "hosts", "created_at", "updated_at", "last_used_at",
        }  # fmt: skip

    async def test_each_place_lists_its_own(self, owner, account, make):
        pipeline = f"/api/pipelines/{await make.pipeline(account)}/secrets"
        other = f"/api/pipelines/{await make.pipeline(account)}/secrets"
        await owner.post("/api/user/secrets", json=new("OURS"))
        await owner.post(pipeline, json=new("ITS"))

        lists = [
            (await owner.get(each)).json()["data"]
            for each in ("/api/user/secrets", pipeline, other)
        ]

        assert [[secret["name"] for secret in each] for each in lists] == [["OURS"], ["ITS"], []]

    async def test_a_key_needs_the_scope(self, login_key, account, url):
        needed = "account:read" if url == "/api/user/secrets" else "pipelines:read"
        client = await login_key(account, [needed])
        other = await login_key(account, ["pipelines:write"])

        assert (await client.get(url)).status_code == 200
        assert (await other.get(url)).status_code == 403


class TestDelete:
    @pytest.mark.parametrize("by", ["id", "name"])
    async def test_a_secret_goes_by_id_or_name(self, owner, url, by):
        stored = (await owner.post(url, json=new())).json()

        response = await owner.delete(f"{url}/{stored[by]}")

        assert response.status_code == 200
        assert response.json() == {"id": stored["id"], "deleted": True}
        assert (await owner.get(url)).json()["data"] == []
        assert (await owner.delete(f"{url}/{stored[by]}")).status_code == 404

    @pytest.mark.parametrize(
        "secret",
        ["OTHER", "01a20f2a-8675-7954-b05b-c62538fd3bb9", "-" * 36, "x-" * 4 + "x" * 28, "x" * 36],
    )
    async def test_what_is_not_there_is_not_found(self, owner, url, secret):
        await owner.post(url, json=new())

        response = await owner.delete(f"{url}/{secret}")

        assert response.status_code == 404

    @pytest.mark.both_stores
    async def test_only_in_its_own_place(self, owner, account, make):
        pipeline = f"/api/pipelines/{await make.pipeline(account)}/secrets"
        ours = (await owner.post("/api/user/secrets", json=new("OURS"))).json()
        its = (await owner.post(pipeline, json=new("ITS"))).json()

        assert (await owner.delete(f"{pipeline}/{ours['id']}")).status_code == 404
        assert (await owner.delete(f"/api/user/secrets/{its['id']}")).status_code == 404
        assert (await owner.delete(f"/api/user/secrets/{its['name']}")).status_code == 404

    async def test_a_key_needs_the_scope(self, login_key, owner, account, url):
        await owner.post(url, json=new())
        client = await login_key(account, ["pipelines:read", "account:read"])

        assert (await client.delete(f"{url}/TOKEN")).status_code == 403


@pytest.mark.both_stores
class TestNothingShows:
    async def test_no_answer_and_no_log_has_a_value(self, owner, url, capfd):
        canary = f"canary-{os.urandom(8).hex()}"
        json_type = {"Content-Type": "application/json"}
        texts = [(await owner.post(url, json=new(value=canary))).text]
        texts += [(await owner.post(url, json={**new(value=canary), "x": 1})).text]
        cut = f'{{"name": "A", "value": "{canary}"'
        texts += [(await owner.post(url, content=cut, headers=json_type)).text]
        texts += [(await owner.get(url)).text, (await owner.delete(f"{url}/TOKEN")).text]

        assert canary not in "".join(texts)
        assert canary not in "".join(capfd.readouterr())


@pytest.mark.one_store
class TestScope:
    async def test_a_key_for_secrets_sets_and_deletes_them_and_changes_nothing_else(
        self, login_key, make, account
    ):
        client = await login_key(account, ["secrets:write"])
        url = f"/api/pipelines/{await make.pipeline(account)}"

        stored = [
            await client.post(f"{where}/secrets", json={"name": "TOKEN", "value": "a long value"})
            for where in ("/api/user", url)
        ]
        deleted = await client.delete(f"{url}/secrets/TOKEN")
        changed = await client.patch(url, json={"name": "Other"})

        assert [each.status_code for each in stored] == [201, 201]
        assert deleted.status_code == 200
        assert (changed.status_code, changed.json()["code"]) == (403, "scope_missing")
