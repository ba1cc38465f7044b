"""What sign-ins with a provider leave in the audit log."""

import pytest

from tests.accounts.oidc.conftest import NAME, failure, opened
from tests.support.audit_log import recorded
from tests.support.false_oidc_provider import CLIENT_SECRET

pytestmark = [pytest.mark.one_store, pytest.mark.usefixtures("account")]

EMAIL = "ada@example.com"


async def test_a_first_sign_in_is_recorded_with_what_it_gives(
    false_provider, configure, browser, make, database
):
    workspace = await make.workspace()
    await configure(false_provider.settings(workspace=str(workspace), role="editor"))
    path = await browser.come_back()

    opened(await browser.client.get(path))

    found = await recorded(database)
    assert [(row.action, row.workspace_id) for row in found] == [
        ("user.registered", None),
        ("oidc.linked", None),
        ("member.added", workspace),
        ("session.opened", workspace),
    ]
    assert found[2].after == {"role": "editor", "provider": NAME}
    assert found[3].after == {"method": f"oidc:{NAME}"}
    assert {row.actor_name for row in found} == {EMAIL}
    assert {row.client for row in found} == {"127.0.0.1"}
    code = path.partition("code=")[2].partition("&")[0]
    for secret in (code, CLIENT_SECRET, false_provider.last_token):
        assert secret not in str(found)


async def test_changed_and_lost_roles_are_recorded(
    false_provider, configure, browser, make, database
):
    workspace = str(await make.workspace())
    groups = {
        "eng": {"role": "editor", "workspace": workspace},
        "ops": {"role": "operator", "workspace": workspace},
    }
    await configure(false_provider.settings(groups=groups))
    for now in (["eng"], ["ops"], []):
        false_provider.claims = {"groups": now}
        last = await browser.sign_in()

    changes = [
        (row.action, row.before, row.after)
        for row in await recorded(database)
        if row.action.startswith("member.")
    ]
    editor = {"role": "editor", "provider": NAME}
    operator = {"role": "operator", "provider": NAME}
    assert failure(last) == "no_role"
    assert changes == [
        ("member.added", None, editor),
        ("member.role_changed", editor, operator),
        ("member.removed", operator, None),
    ]


async def test_a_refusal_is_recorded_once_the_person_is_known(
    false_provider, configure, browser, database
):
    await configure(false_provider.settings(allowed_domains=["other.example"]))
    await browser.sign_in()
    false_provider.claims = {"aud": "another-client"}
    await browser.sign_in()

    found = await recorded(database)

    assert [(row.action, row.target_name, row.after) for row in found] == [
        ("oidc.refused", EMAIL, {"provider": NAME, "reason": "domain_not_allowed"})
    ]
